import type { ShownDeadLetter } from '@nest-messaging/core';
import { readableBody } from '@nest-messaging/core/engine';

// oxlint-disable-next-line no-control-regex
const CONTROL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g;
// oxlint-disable-next-line no-control-regex
const BREAK = /[\t\n]/g;

const escaped = (character: string): string => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
/** Ids, keys, headers and bodies are anybody's, and shall not command a terminal. */
const printable = (text: string): string => text.replace(CONTROL, escaped);
export const onOneLine = (text: string): string => printable(text).replace(BREAK, escaped);

/** Anybody may have put a letter there: one whose time is none must not hide the others. */
function time(at: number): string {
  const date = new Date(at);
  return Number.isNaN(date.getTime()) ? String(at) : date.toISOString();
}

/** Columns as wide as their widest cell; the last one runs on. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]!.length)));
  return rows
    .map((row) =>
      row
        .map((cell, at) => (at === row.length - 1 ? cell : cell.padEnd(widths[at]!)))
        .join('  ')
        .trimEnd(),
    )
    .join('\n');
}

export function tableOf(letters: readonly ShownDeadLetter[]): string {
  return columns([
    ['TIME', 'ID', 'ERROR', 'ATTEMPTS', 'KEY'],
    ...letters.map(({ message, failure, attempts }) => [
      time(failure.at),
      onOneLine(message.id),
      onOneLine(failure.name),
      String(attempts),
      onOneLine(message.key ?? '–'),
    ]),
  ]);
}

function bodyText({ message: { body }, unreadable }: ShownDeadLetter): string[] {
  if (body === undefined) return [];
  if (unreadable !== undefined) return ['', `payload cannot be had: ${onOneLine(unreadable)}`];
  const readable = readableBody(body);
  return typeof readable === 'string'
    ? ['', printable(readable)]
    : ['', `payload in base64, since it is no text: ${readable.base64}`];
}

/** All that is known of one, for people. */
export function textOf(letter: ShownDeadLetter): string {
  const { message, failure, attempts, group, firstFailedAt, origin } = letter;
  const { kind, name } = message.destination;
  const lines: readonly (readonly [string, string | undefined])[] = [
    ['id', message.id],
    [kind, name],
    ['group', kind === 'queue' ? undefined : group],
    ['error', `${failure.name}: ${failure.message}`],
    ['code', failure.code],
    ['attempts', String(attempts)],
    ['failed', time(failure.at)],
    ['failed first', time(firstFailedAt)],
    ['published', message.publishedAt === undefined ? undefined : time(message.publishedAt)],
    ['due', message.dueAt === undefined ? undefined : time(message.dueAt)],
    ['published by', message.source],
    ['expires', message.expiresAt === undefined ? undefined : time(message.expiresAt)],
    ['origin', origin],
    ['key', message.key],
    ['version', message.version],
    ['correlation', message.correlationId],
    ['caused by', message.causationId],
    ['content type', message.contentType],
    ...Object.entries(message.headers).map(([header, value]) => [`header ${header}`, value] as const),
  ];
  const known = lines.flatMap(([what, value]) =>
    value === undefined ? [] : [[onOneLine(what), onOneLine(value)]],
  );
  return [columns(known), ...bodyText(letter)].join('\n');
}

/** The same for programs: times in milliseconds since 1970, a payload as an export has it. */
export function jsonOf({ message: { body, ...message }, ...letter }: ShownDeadLetter): object {
  return {
    ...letter,
    message: { ...message, ...(body !== undefined && { body: readableBody(body) }) },
  };
}
