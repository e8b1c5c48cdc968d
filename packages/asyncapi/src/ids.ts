import type { Destination } from '@nest-messaging/core/contract';

/** `--` is in no topic and no queue. */
const WILDCARDS: Readonly<Record<string, string>> = { '*': '--one', '#': '--all' };

/** Keys in the document, and so parts of references: letters, digits, `.`, `-` and `_`. */
export const plain = (text: string): string => text.replaceAll(/[^\w.-]/g, '_');

/** A destination's channel, of all the application's connections. */
export function channelId(connection: string, { kind, name }: Destination): string {
  const written = name.replaceAll(/[*#]/g, (wildcard) => WILDCARDS[wildcard]!);
  const own = kind === 'queue' ? `${written}--queue` : written;
  return connection === 'default' ? own : `${plain(connection)}--${own}`;
}

export const reference = (...path: readonly string[]): { readonly $ref: string } => ({
  $ref: `#/${path.join('/')}`,
});
