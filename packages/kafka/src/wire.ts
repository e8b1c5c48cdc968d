import {
  cloudEventReader,
  cloudEventWriter,
  InvalidMessageError,
  isPattern,
  MODULE_PREFIX,
  type DeadLetterContent,
  type DeadLetteredMessage,
  type Destination,
  type Failure,
  type Message,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import type { NewRecord, StoredRecord } from './driver/driver.js';
import { eventOfTopic, type Owner } from './topology.js';

/** CloudEvents' prefix in its Kafka binding: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md */
const CLOUD_EVENTS = 'ce_';
const toCloudEvent = cloudEventWriter(CLOUD_EVENTS);
const fromCloudEvent = cloudEventReader(CLOUD_EVENTS);
const CONTENT_TYPE = 'content-type';

/** The module's own headers, on copies only: a message on its way to its first handler carries none. */
export const HEADER = {
  /** Handler failures so far + 1. */
  attempt: 'nm-attempt',
  /** The id that a message without one was given when it was first handed over. */
  id: 'nm-id',
  /** When a delayed record is due, in milliseconds since 1970. */
  due: 'nm-due',
  /** When it leaves the level of delay where it waits. */
  until: 'nm-until',
  /** The topic it goes to when it is due. */
  to: 'nm-to',
  /** Where and when the message was first written, of which this is a copy. */
  topic: 'nm-topic',
  partition: 'nm-partition',
  offset: 'nm-offset',
  time: 'nm-time',
  firstFailedAt: 'nm-first-failed-at',
  errorName: 'nm-error-name',
  error: 'nm-error',
  errorCode: 'nm-error-code',
  failedAt: 'nm-failed-at',
  attempts: 'nm-attempts',
  group: 'nm-group',
  /** Marks what is no message but a note of the module to itself. */
  note: 'nm-note',
} as const;

type Headers = NewRecord['headers'];
type Values = Readonly<Record<string, string | number | undefined>>;

const isOwn = (name: string): boolean => name.startsWith(MODULE_PREFIX);

function toHeaders(...all: readonly Values[]): Headers {
  const headers: [string, string][] = [];
  for (const values of all)
    for (const name of Object.keys(values)) {
      const value = values[name];
      if (value !== undefined) headers.push([name, String(value)]);
    }
  return headers;
}

function bytesOf(body: Uint8Array): Buffer {
  return Buffer.isBuffer(body) ? body : Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}

/** What goes to the broker: any client reads the value as it is, and the key by which it is placed. */
export function toRecord(topic: string, message: Message): NewRecord {
  return {
    topic,
    key: message.key === undefined ? null : Buffer.from(message.key),
    // The same bytes: they are nobody else's until the publish has settled.
    value: bytesOf(message.body),
    headers: toHeaders({ [CONTENT_TYPE]: message.contentType }, toCloudEvent(message), message.headers),
  };
}

/** The last of each name, as the Java client's `lastHeader` has it. */
function lastTexts({ texts }: StoredRecord): Record<string, string> {
  const found: Record<string, string> = Object.create(null);
  for (const [name, text] of texts) if (text !== null) found[name] = text;
  return found;
}

const whole = (text: string | undefined): number | undefined => {
  const number = text === undefined || text === '' ? Number.NaN : Number(text);
  return Number.isSafeInteger(number) && number >= 0 ? number : undefined;
};

/** A message as it came from the broker. */
export interface Received {
  readonly message: Message;
  readonly attempt: number;
  readonly firstFailedAt: number | undefined;
}

/** A tombstone says that what its key stands for is gone: as a payload, `null`. */
const TOMBSTONE = Buffer.from('null');

/** The module's topics in which there are notes; elsewhere anybody may set such a header. */
const NOTED = /--(retry|dead)$/;

export const isNote = (record: StoredRecord): boolean =>
  NOTED.test(record.topic) && record.texts.some(([name]) => name === HEADER.note);

/**
 * Reads any record, foreign ones included: what is missing or of a wrong kind is left out, and nothing here throws.
 *
 * A message without an id is known by its place in the log, which is the same at each delivery, and which its copies
 * carry along.
 */
export function read(record: StoredRecord, source: Destination, owner: Owner): Received {
  // As `lastTexts`: of several of one name the last counts.
  const attributes: Record<string, string> = {};
  const marks: Record<string, string> = {};
  const own: [string, string][] = [];
  let contentType: string | undefined;
  for (const [name, text] of record.texts) {
    if (text === null) continue;
    if (name.startsWith(CLOUD_EVENTS)) attributes[name] = text;
    else if (isOwn(name)) marks[name] = text;
    else if (name === CONTENT_TYPE) contentType = text;
    else own.push([name, text]);
  }
  const event = fromCloudEvent(attributes);
  const topic = marks[HEADER.topic] ?? record.topic;
  const destination: Destination =
    source.kind === 'queue' || !isPattern(source.name)
      ? source
      : { kind: 'topic', name: eventOfTopic(owner, topic) ?? (event.type || source.name) };
  const message: Message = {
    id: event.id || marks[HEADER.id] || `${record.topic}/${record.partition}/${record.offset}`,
    destination,
    // What a handler does to its bytes must not reach a copy made afterwards.
    body: Buffer.from(record.value ?? TOMBSTONE),
    contentType: contentType || attributes[`${CLOUD_EVENTS}datacontenttype`] || 'application/json',
    headers: Object.fromEntries(own),
    key: event.key ?? record.key?.toString(),
    source: event.source,
    publishedAt:
      event.publishedAt ??
      (attributes[`${CLOUD_EVENTS}specversion`] === undefined
        ? (whole(marks[HEADER.time]) ?? record.timestamp)
        : undefined),
    dueAt: event.dueAt,
    correlationId: event.correlationId,
    causationId: event.causationId,
    expiresAt: event.expiresAt,
    version: event.version,
  };
  return {
    message,
    attempt: whole(marks[HEADER.attempt]) || 1,
    firstFailedAt: whole(marks[HEADER.firstFailedAt]),
  };
}

const foreign = (headers: StoredRecord['headers']): Headers => headers.filter(([name]) => !isOwn(name));

/** A copy for elsewhere: key, value and headers untouched, with the module's own headers made anew. */
function copy(record: StoredRecord, topic: string, marks: Values): NewRecord {
  const before = lastTexts(record);
  return {
    topic,
    key: record.key,
    value: record.value,
    headers: [
      ...foreign(record.headers),
      ...toHeaders({
        [HEADER.topic]: before[HEADER.topic] ?? record.topic,
        [HEADER.partition]: before[HEADER.partition] ?? record.partition,
        [HEADER.offset]: before[HEADER.offset] ?? record.offset,
        [HEADER.time]: whole(before[HEADER.time]) ?? record.timestamp,
        ...marks,
      }),
    ],
  };
}

/** What a copy that comes back to its subscription says of the attempts so far. */
export interface Attempts {
  readonly id: string;
  /** Left out: they start anew. */
  readonly attempt?: number;
  readonly firstFailedAt?: number;
}

export function copyForRetry(record: StoredRecord, topic: string, attempts: Attempts): NewRecord {
  return copy(record, topic, {
    [HEADER.id]: attempts.id,
    [HEADER.attempt]: attempts.attempt,
    [HEADER.firstFailedAt]: attempts.firstFailedAt,
  });
}

/** An error's text is for people; one of many kilobytes does not belong among the headers. */
const LONGEST_TEXT = 4_096;

const shortened = (text: string): string =>
  text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;

/** What a dead letter tells of its end. */
export interface Obituary {
  readonly id: string;
  readonly failure: Failure;
  readonly attempts: number;
  readonly group: string;
  readonly firstFailedAt: number;
}

const marksOf = ({ id, failure, attempts, group, firstFailedAt }: Obituary): Values => ({
  [HEADER.id]: id,
  [HEADER.firstFailedAt]: firstFailedAt,
  [HEADER.errorName]: shortened(failure.name),
  [HEADER.error]: shortened(failure.message),
  [HEADER.errorCode]: failure.code === undefined ? undefined : shortened(failure.code),
  [HEADER.failedAt]: failure.at,
  [HEADER.attempts]: attempts,
  [HEADER.group]: group,
});

export const copyForDeadLetters = (record: StoredRecord, topic: string, obituary: Obituary): NewRecord =>
  copy(record, topic, marksOf(obituary));

/** Topic, partition and offset as one text. No topic has a slash in its name. */
const ORIGIN = /^([^/]+)\/(\d+)\/(\d+)$/;

function originOf(found: Readonly<Record<string, string>>): string | undefined {
  const origin = `${found[HEADER.topic]}/${found[HEADER.partition]}/${found[HEADER.offset]}`;
  return ORIGIN.test(origin) ? origin : undefined;
}

/**
 * A dead letter made anew of what is known of it.
 * @param takesFrom whether a topic is one of its subscription's
 * @throws {InvalidMessageError} if it comes from elsewhere
 */
export function restoredDeadLetter(
  topic: string,
  letter: DeadLetterContent,
  takesFrom: (topic: string) => boolean,
): NewRecord {
  const { message, origin, ...obituary } = letter;
  const [, from, partition, offset] = (origin === undefined ? undefined : ORIGIN.exec(origin)) ?? [];
  if (origin !== undefined && from === undefined)
    throw new InvalidMessageError(
      `dead letter ${message.id} comes from '${origin}': expected topic/partition/offset, as Kafka's have it; leave it out`,
    );
  if (from !== undefined && !takesFrom(from))
    throw new InvalidMessageError(
      `dead letter ${message.id} comes from topic '${from}', and what is to go to '${topic}' never lay there: give its own subscription`,
    );
  const record = toRecord(topic, message);
  return {
    ...record,
    headers: [
      ...record.headers,
      ...toHeaders({
        [HEADER.topic]: from,
        [HEADER.partition]: partition,
        [HEADER.offset]: offset,
        ...marksOf({ ...obituary, id: message.id }),
      }),
    ],
  };
}

/** Reads a record of a topic of dead letters; someone else may have put it there. */
export function readDeadLetter(
  record: StoredRecord,
  { source, group }: SubscriptionId,
  owner: Owner,
): Omit<DeadLetteredMessage, 'position'> {
  const found = lastTexts(record);
  const { message, firstFailedAt } = read(record, source, owner);
  const at = whole(found[HEADER.failedAt]) ?? record.timestamp;
  const code = found[HEADER.errorCode];
  return {
    message,
    failure: {
      name: found[HEADER.errorName] ?? 'Error',
      message: found[HEADER.error] ?? 'nothing is known of why it was set aside',
      ...(code === undefined ? {} : { code }),
      at,
    },
    attempts: whole(found[HEADER.attempts]) ?? 0,
    group: found[HEADER.group] ?? group,
    firstFailedAt: firstFailedAt ?? at,
    origin: originOf(found),
    raw: record.raw,
  };
}

/** A record on its way through the delays. */
export function delayed(
  record: NewRecord,
  hop: { readonly topic: string; readonly due: number; readonly until: number; readonly to: string },
): NewRecord {
  const names: string[] = [HEADER.due, HEADER.until, HEADER.to];
  return {
    topic: hop.topic,
    partition: 0,
    key: record.key,
    value: record.value,
    headers: [
      ...record.headers.filter(([name]) => !names.includes(name)),
      ...toHeaders({ [HEADER.due]: hop.due, [HEADER.until]: hop.until, [HEADER.to]: hop.to }),
    ],
  };
}

/** What a record that waits says of itself; undefined for what the module did not put there. */
export function readDelayed(
  record: StoredRecord,
):
  | { readonly record: NewRecord; readonly due: number; readonly until: number; readonly to: string }
  | undefined {
  const found = lastTexts(record);
  const [due, until, to] = [whole(found[HEADER.due]), whole(found[HEADER.until]), found[HEADER.to]];
  if (due === undefined || until === undefined || !to) return undefined;
  const names: string[] = [HEADER.due, HEADER.until, HEADER.to];
  const headers = record.headers.filter(([name]) => !names.includes(name));
  return { record: { topic: to, key: record.key, value: record.value, headers }, due, until, to };
}

/** A note of the module to itself, in a topic of its own. */
export function note(topic: string, partition: number, kind: string, value: unknown): NewRecord {
  return {
    topic,
    partition,
    key: null,
    value: Buffer.from(JSON.stringify(value)),
    headers: toHeaders({ [HEADER.note]: kind }),
  };
}
