import { createHash } from 'node:crypto';
import type { MessageAttributeValue, Message as SqsMessage } from '@aws-sdk/client-sqs';
import {
  cloudEventReader,
  cloudEventWriter,
  isPattern,
  type DeadLetteredMessage,
  type Destination,
  type Failure,
  type Message,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import { eventOfTopic, lastName, type Owner } from './names.js';
import { POINTER_ATTRIBUTES } from './pointer.js';

/** A message as SNS and SQS take it. */
export interface Parcel {
  readonly body: string;
  readonly attributes: Readonly<Record<string, MessageAttributeValue>>;
}

const toCloudEvent = cloudEventWriter();
const fromCloudEvent = cloudEventReader();

/** CloudEvents' attributes, as JSON in one: raw delivery from SNS drops messages with more than ten attributes. */
const CLOUD_EVENT = 'ce';
/** What the module says to itself, as JSON; only on copies, and where user headers do not fit. */
const MARKS = 'nm';
export const ENCODING = 'content-encoding';
const OWN: ReadonlySet<string> = new Set([CLOUD_EVENT, MARKS, ENCODING]);

const MOST_ATTRIBUTES = 10;

/** What a copy says of its past and future. */
export interface Marks {
  /** User headers that are no attributes of their own. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Handler failures so far + 1. */
  readonly attempt?: number;
  /** The id that a message without one was given when it was first handed over. */
  readonly id?: string;
  /** The event of a message under a pattern, which a stranger's does not say itself. */
  readonly topic?: string;
  /** When it may be handed over, in milliseconds since 1970. */
  readonly due?: number;
  /** Where a delayed message goes when it is due. */
  readonly to?: { readonly kind: 'topic' | 'queue'; readonly name: string };
  /** Of a stranger's FIFO message it is the group, which only FIFO queues pass on. */
  readonly key?: string;
  readonly firstFailedAt?: number;
  readonly failure?: Failure;
  readonly attempts?: number;
  readonly group?: string;
}

/** SQS takes the characters that XML 1.0 does. */
// oxlint-disable-next-line no-control-regex
const FORBIDDEN = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u;
/** Neither a body nor an attribute may be empty. */
const isSendable = (value: unknown): value is string =>
  typeof value === 'string' && value !== '' && !FORBIDDEN.test(value);

/** @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-message-metadata.html */
const ATTRIBUTE_NAME = /^(?!aws\.|amazon\.)(?=.{1,256}$)[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/i;

const text = (value: string): MessageAttributeValue => ({ DataType: 'String', StringValue: value });

/** JSON, in which only these two of the characters that SQS does not take are left as they are. */
const json = (value: unknown): MessageAttributeValue =>
  text(JSON.stringify(value).replace(/[\uFFFE\uFFFF]/g, (one) => `\\u${one.charCodeAt(0).toString(16)}`));

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** Text as it is; everything else as base64, of which `=` is the one of nothing: a body must not be empty. */
function toBody(bytes: Uint8Array): { readonly body: string; readonly encoding?: string } {
  try {
    const body = utf8.decode(bytes);
    if (isSendable(body)) return { body };
  } catch {
    // No text.
  }
  return { body: Buffer.from(bytes).toString('base64') || '=', encoding: 'base64' };
}

export function toParcel(message: Message, marks: Marks = {}): Parcel {
  const { body, encoding } = toBody(message.body);
  const event = { ...toCloudEvent(message), datacontenttype: message.contentType };
  // One is for what marks a body that is in S3.
  const room = MOST_ATTRIBUTES - OWN.size - 1;
  const own: [string, MessageAttributeValue][] = [];
  const packed: [string, string][] = [];
  for (const [name, value] of Object.entries(message.headers)) {
    const fits =
      own.length < room &&
      !OWN.has(name) &&
      !POINTER_ATTRIBUTES.includes(name) &&
      ATTRIBUTE_NAME.test(name) &&
      isSendable(value);
    if (fits) own.push([name, text(value)]);
    else packed.push([name, value]);
  }
  const all: Marks = packed.length > 0 ? { ...marks, headers: Object.fromEntries(packed) } : marks;
  return {
    body,
    attributes: {
      ...Object.fromEntries(own),
      [CLOUD_EVENT]: json(event),
      ...(encoding === undefined ? {} : { [ENCODING]: text(encoding) }),
      ...(Object.keys(all).length > 0 ? { [MARKS]: json(all) } : {}),
    },
  };
}

/** What a parcel weighs, as AWS counts: body, and names, types and values of attributes. */
export function sizeOf({ body, attributes }: Parcel): number {
  let size = Buffer.byteLength(body);
  for (const [name, { DataType, StringValue, BinaryValue }] of Object.entries(attributes))
    size +=
      Buffer.byteLength(name) +
      Buffer.byteLength(DataType ?? '') +
      (StringValue === undefined ? (BinaryValue?.byteLength ?? 0) : Buffer.byteLength(StringValue));
  return size;
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

function parsed(json: string | undefined): Record<string, unknown> {
  // Most messages have no marks, and what is thrown for nothing costs more than all else that is read.
  if (json === undefined) return {};
  try {
    const value: unknown = JSON.parse(json);
    return isRecord(value) ? value : {};
  } catch {
    return {};
  }
}

const strings = (values: Readonly<Record<string, unknown>>): Record<string, string> =>
  Object.fromEntries(
    Object.entries(values).filter((entry): entry is [string, string] => typeof entry[1] === 'string'),
  );

const isAmount = (value: unknown): value is number =>
  typeof value === 'number' && Number.isFinite(value) && value >= 0;

const filled = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;

function failureOf(value: unknown): Failure | undefined {
  if (!isRecord(value)) return undefined;
  const { name, message, code, at } = value;
  if (typeof name !== 'string' || typeof message !== 'string' || !isAmount(at)) return undefined;
  return { name, message, ...(typeof code === 'string' ? { code } : {}), at };
}

function placeOf(value: unknown): Marks['to'] {
  if (!isRecord(value)) return undefined;
  const [kind, name] = [value['kind'], filled(value['name'])];
  return (kind === 'topic' || kind === 'queue') && name !== undefined ? { kind, name } : undefined;
}

/** Anyone may send such an attribute, so that nothing in it is believed to be of its type. */
function marksOf(attributes: Parcel['attributes']): Marks {
  const said = parsed(attributes[MARKS]?.StringValue);
  const amount = (name: keyof Marks): number | undefined => (isAmount(said[name]) ? said[name] : undefined);
  return {
    headers: isRecord(said['headers']) ? strings(said['headers']) : undefined,
    attempt: Number.isSafeInteger(said['attempt']) ? amount('attempt') || undefined : undefined,
    id: filled(said['id']),
    topic: filled(said['topic']),
    due: amount('due'),
    to: placeOf(said['to']),
    key: typeof said['key'] === 'string' ? said['key'] : undefined,
    firstFailedAt: amount('firstFailedAt'),
    failure: failureOf(said['failure']),
    attempts: amount('attempts'),
    group: filled(said['group']),
  };
}

/**
 * A message without the envelope in which SNS sends it where raw delivery is off, and the topic that this names. What
 * neither SNS nor SQS would have taken is none of SNS's: a copy of it could never be sent.
 */
export function unwrapped(raw: SqsMessage): Parcel & { readonly topicArn?: string } {
  const attributes = raw.MessageAttributes ?? {};
  const body = raw.Body ?? '';
  // A copy has lost its envelope: what looks like one is the payload.
  if (attributes[CLOUD_EVENT] || attributes[MARKS] || !body.startsWith('{')) return { body, attributes };
  const { Type, TopicArn, Message: inner, MessageAttributes: outer } = parsed(body);
  if (Type !== 'Notification' || typeof TopicArn !== 'string' || !isSendable(inner))
    return { body, attributes };
  const unpacked = Object.entries(isRecord(outer) ? outer : {}).flatMap(([name, value]) => {
    if (!ATTRIBUTE_NAME.test(name) || !isRecord(value) || !isSendable(value['Value'])) return [];
    const { Type: DataType, Value } = value;
    if (DataType !== 'Binary') return [[name, text(Value)] as const];
    const BinaryValue = Buffer.from(Value, 'base64');
    return BinaryValue.length > 0 ? [[name, { DataType, BinaryValue }] as const] : [];
  });
  return { body: inner, attributes: Object.fromEntries(unpacked), topicArn: TopicArn };
}

/** A message as it came from the queue. */
export interface Received {
  readonly message: Message;
  readonly attempt: number;
  readonly marks: Marks;
}

/**
 * Reads any message, foreign ones included: what is missing or of a wrong kind is left out, and nothing here throws.
 * @param owner whose topics it may come from
 */
export function read(raw: SqsMessage, source: Destination, owner: Pick<Owner, 'namespace'>): Received {
  const { body, attributes, topicArn } = unwrapped(raw);
  const marks = marksOf(attributes);
  const ce = strings(parsed(attributes[CLOUD_EVENT]?.StringValue));
  const event = fromCloudEvent(ce);
  const own = Object.entries(attributes).flatMap(([name, { StringValue }]) =>
    OWN.has(name) || StringValue === undefined ? [] : [[name, StringValue] as const],
  );
  const sent = Number(raw.Attributes?.SentTimestamp);
  const topic = (): string =>
    event.type ||
    marks.topic ||
    (topicArn !== undefined && eventOfTopic(owner, lastName(topicArn))) ||
    source.name;
  const message: Message = {
    id: event.id || marks.id || raw.MessageId || '',
    destination:
      source.kind === 'topic' && isPattern(source.name) ? { kind: 'topic', name: topic() } : source,
    body: Buffer.from(body, attributes[ENCODING]?.StringValue === 'base64' ? 'base64' : 'utf8'),
    contentType: ce['datacontenttype'] || 'application/json',
    headers: { ...Object.fromEntries(own), ...marks.headers },
    // A copy says it where the publisher did not: in a standard queue it has no group, and a FIFO queue hashes some keys.
    key: event.key ?? marks.key ?? raw.Attributes?.MessageGroupId,
    source: event.source,
    publishedAt: event.publishedAt ?? (ce['specversion'] === undefined && sent > 0 ? sent : undefined),
    dueAt: event.dueAt,
    correlationId: event.correlationId,
    causationId: event.causationId,
    expiresAt: event.expiresAt,
    version: event.version,
  };
  return { message, attempt: marks.attempt ?? 1, marks };
}

/** What must stay an attribute first, and last what can be packed with the module's own marks. */
function rank([name, { StringValue }]: readonly [string, MessageAttributeValue]): number {
  if (OWN.has(name) || POINTER_ATTRIBUTES.includes(name)) return 0;
  return StringValue === undefined ? 1 : 2;
}

/** A copy: body and attributes untouched, with the module's own marks made anew. */
export function copyOf(raw: SqsMessage, marks: Marks): Parcel {
  const { body, attributes } = unwrapped(raw);
  const { headers } = marksOf(attributes);
  const ranked = Object.entries(attributes)
    .filter(([name]) => name !== MARKS)
    .sort((a, b) => rank(a) - rank(b));
  // Others may have filled it up to the limit, and the marks need a place.
  const kept = ranked.slice(0, MOST_ATTRIBUTES - 1);
  const packed = {
    ...headers,
    ...Object.fromEntries(
      ranked
        .slice(MOST_ATTRIBUTES - 1)
        .flatMap(([name, { StringValue }]) => (StringValue === undefined ? [] : [[name, StringValue]])),
    ),
  };
  const all: Marks = Object.keys(packed).length > 0 ? { ...marks, headers: packed } : marks;
  return {
    body,
    attributes: {
      ...Object.fromEntries(
        // What came back from the service has fields that it does not take.
        kept.map(([name, { DataType, StringValue, BinaryValue }]) => [
          name,
          { DataType, ...(StringValue === undefined ? { BinaryValue } : { StringValue }) },
        ]),
      ),
      ...(Object.keys(all).length > 0 ? { [MARKS]: json(all) } : {}),
    },
  };
}

/** An error's text is for people; one of many kilobytes does not belong among the attributes. */
const LONGEST_TEXT = 2_048;

export const shortened = (failure: Failure): Failure => ({
  ...failure,
  message:
    failure.message.length > LONGEST_TEXT ? `${failure.message.slice(0, LONGEST_TEXT)}…` : failure.message,
});

export function readDeadLetter(
  raw: SqsMessage,
  { source, group }: SubscriptionId,
  owner: Pick<Owner, 'namespace'>,
): Omit<DeadLetteredMessage, 'position'> {
  const { message, marks } = read(raw, source, owner);
  const at = Number(raw.Attributes?.SentTimestamp) || 0;
  const failure: Failure = marks.failure ?? {
    name: 'Error',
    message: 'nothing is known of why it was set aside',
    at,
  };
  return {
    message,
    failure,
    attempts: marks.attempts ?? 0,
    group: marks.group ?? group,
    firstFailedAt: marks.firstFailedAt ?? failure.at,
    origin: marks.to?.name,
    raw,
  };
}

/** What FIFO takes for groups and deduplication: 128 characters of a few kinds. */
const FIFO_ID = /^[A-Za-z0-9!"#$%&'()*+,\-./:;<=>?@[\\\]^_`{|}~]{1,128}$/;

/** Any text as such an id, the same for the same text. */
export const fifoId = (id: string): string =>
  FIFO_ID.test(id) ? id : createHash('sha256').update(id).digest('base64url');
