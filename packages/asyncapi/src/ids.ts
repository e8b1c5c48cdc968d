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

/** What wants an id, and a name that tells it from others of that id. */
export interface Named {
  readonly id: string;
  readonly name: string;
}

/**
 * An id of its own for each. All that are alike have their names behind it, so that it does not matter which comes first;
 * those whose names are alike, too, are numbered.
 */
export function distinctIds(all: readonly Named[]): readonly string[] {
  const wanted = new Map<string, number>();
  const given = new Map<string, number>();
  const countIn = (counts: Map<string, number>, id: string): number => {
    const count = (counts.get(id) ?? 0) + 1;
    counts.set(id, count);
    return count;
  };
  for (const { id } of all) countIn(wanted, id);
  return all.map(({ id, name }) => {
    const own = wanted.get(id)! > 1 ? `${id}--${plain(name)}` : id;
    const count = countIn(given, own);
    return count === 1 ? own : `${own}-${count}`;
  });
}

export const reference = (...path: readonly string[]): { readonly $ref: string } => ({
  $ref: `#/${path.join('/')}`,
});
