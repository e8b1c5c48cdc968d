import * as v from 'valibot';
import {
  describeSubscription,
  InvalidMessageError,
  type DeadLetterContent,
  type Headers,
  type SubscriptionId,
} from '../contract/index.js';

/** The last moment that JavaScript's `Date` has; the first is as far from 1970. */
const LAST = 8_640_000_000_000_000;
const timeFrom = (first: number) =>
  v.pipe(v.number(), v.integer('a whole number'), v.minValue(first, 'a time'), v.maxValue(LAST, 'a time'));
const time = timeFrom(0);
/** What a message says is its publisher's: a clock that was never set says the year 1, as .NET and Go do. */
const foreignTime = timeFrom(-LAST);
const destination = v.strictObject({ kind: v.picklist(['topic', 'queue']), name: v.string() });

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
/** Valibot's own record leaves out names such as `constructor`, which a header may well have. */
const headers = v.custom<Headers>(
  (value) => isRecord(value) && Object.values(value).every((one) => typeof one === 'string'),
  'an object of texts',
);
/** Its regular expression needs more stack than there is for a body of some megabytes. */
const base64 = v.pipe(
  v.string(),
  v.check((value) => Buffer.from(value, 'base64').toString('base64') === value, 'base64'),
);

/** A dead letter as a line of an export. */
const lineSchema = v.strictObject({
  subscription: v.strictObject({ source: destination, group: v.string() }),
  message: v.strictObject({
    id: v.pipe(v.string(), v.nonEmpty('an id')),
    destination,
    contentType: v.string(),
    headers,
    key: v.optional(v.string()),
    source: v.optional(v.string()),
    publishedAt: v.optional(foreignTime),
    dueAt: v.optional(foreignTime),
    correlationId: v.optional(v.string()),
    causationId: v.optional(v.string()),
    expiresAt: v.optional(foreignTime),
    version: v.optional(v.string()),
    body: v.union([v.string(), v.strictObject({ base64 })]),
  }),
  failure: v.strictObject({ name: v.string(), message: v.string(), code: v.optional(v.string()), at: time }),
  attempts: v.pipe(v.number(), v.integer('a whole number'), v.minValue(0, 'at least 0')),
  group: v.string(),
  firstFailedAt: time,
  origin: v.optional(v.string()),
});

type Line = v.InferOutput<typeof lineSchema>;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text as it is, so that people can read it; everything else as base64. */
export function readableBody(body: Uint8Array): string | { readonly base64: string } {
  try {
    return utf8.decode(body);
  } catch {
    return { base64: Buffer.from(body).toString('base64') };
  }
}

const read = (body: Line['message']['body']): Buffer =>
  typeof body === 'string' ? Buffer.from(body) : Buffer.from(body.base64, 'base64');

/** One line of JSON, without its line feed. */
export function toLine({ source, group: own }: SubscriptionId, letter: DeadLetterContent): string {
  const { failure, attempts, group, firstFailedAt, origin } = letter;
  const { body, ...message } = letter.message;
  const line: Line = {
    subscription: { source, group: own },
    message: { ...message, body: readableBody(body) },
    failure,
    attempts,
    group,
    firstFailedAt,
    origin,
  };
  return JSON.stringify(line);
}

/** A line that cannot be read. It says where and what, and quotes nothing: there are payloads in it. */
const malformed = (number: number, what: string): InvalidMessageError =>
  new InvalidMessageError(
    `line ${number} is no dead letter as it is exported: ${what}; mend it and import once more, what was before it is not put back twice`,
  );

/** A queue has one group for all its workers. */
const same = (a: SubscriptionId, b: SubscriptionId): boolean =>
  a.source.kind === b.source.kind &&
  a.source.name === b.source.name &&
  (a.source.kind === 'queue' || a.group === b.group);

/** @throws {InvalidMessageError} with the line's number, if it is malformed or of another subscription */
export function fromLine(json: string, number: number, id: SubscriptionId): DeadLetterContent {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch {
    throw malformed(number, 'it is not JSON');
  }
  const result = v.safeParse(lineSchema, value, { abortEarly: true });
  if (!result.success) {
    const [issue] = result.issues;
    const path = (issue.path ?? []).map(({ key }) => String(key)).join('.');
    if (issue.type === 'strict_object' && issue.expected === 'never')
      throw malformed(number, `it has an unknown field '${path}'`);
    const expected = issue.kind === 'schema' && issue.type !== 'custom' ? issue.expected : issue.message;
    throw malformed(number, `${path || 'it'} is not as expected: ${expected}`);
  }
  const { subscription, message, ...letter } = result.output;
  if (!same(subscription, id) || message.destination.kind !== id.source.kind)
    throw malformed(
      number,
      `it is of ${describeSubscription(subscription)}, and ${describeSubscription(id)} was asked for`,
    );
  return { ...letter, message: { ...message, body: read(message.body) } };
}

/** The lines of a text that comes in pieces, cut anywhere. Empty ones are counted and left out. */
export async function* linesOf(
  pieces: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
): AsyncGenerator<{ readonly number: number; readonly text: string }, void, undefined> {
  // A file that is cut within a character is no UTF-8 at all, and not one with another character.
  const decoder = new TextDecoder('utf-8', { fatal: true });
  let number = 0;
  let rest: string[] = [];
  const decoded = (piece: string | Uint8Array | undefined): string => {
    if (typeof piece === 'string') return piece;
    try {
      return decoder.decode(piece, { stream: piece !== undefined });
    } catch {
      throw malformed(number + 1, 'it is not UTF-8');
    }
  };
  for await (const piece of pieces) {
    const parts = decoded(piece).split('\n');
    const last = parts.pop()!;
    for (const part of parts) {
      number++;
      const line = [...rest, part].join('');
      rest = [];
      if (line.trim() !== '') yield { number, text: line };
    }
    rest.push(last);
  }
  const line = [...rest, decoded(undefined)].join('');
  if (line.trim() !== '') yield { number: number + 1, text: line };
}
