import { randomUUID } from 'node:crypto';
import {
  cloudEventReader,
  cloudEventWriter,
  MessageTooLargeError,
  MODULE_PREFIX,
  type DeadLetteredMessage,
  type Destination,
  type Failure,
  type Message,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import type { Message as AmqpMessage, MessageProperties, Options } from 'amqplib';
import { destinationOf } from './topology.js';

/** The properties of a message as amqplib takes them. */
export type Properties = Options.Publish & { headers: Record<string, unknown> };

/**
 * CloudEvents' prefix in its AMQP binding. `cloudEvents_` is the other one it allows, for brokers that want no colon.
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md#3-amqp-message-mapping
 */
const toCloudEvent = cloudEventWriter('cloudEvents:');
const fromCloudEvent = cloudEventReader();
const CLOUD_EVENTS = 'cloudEvents';

/** The attribute that a header is of; undefined of all others. */
function attributeOf(header: string): string | undefined {
  if (!header.startsWith(CLOUD_EVENTS)) return undefined;
  const separator = header[CLOUD_EVENTS.length];
  return separator === ':' || separator === '_'
    ? header.slice(CLOUD_EVENTS.length + 1) || undefined
    : undefined;
}

/** The module's own headers, on copies only: a message on its way to its first handler carries none. */
export const HEADER = {
  /** Handler failures so far + 1. */
  attempt: 'nm-attempt',
  /** How often a process died of it, as far as the delivery count of the queue it is in does not tell. */
  deaths: 'nm-deaths',
  /** The id that a message without one was given when it was first handed over. */
  id: 'nm-id',
  /** What a copy cannot have and its original had: see `copy.ts`. */
  carried: 'nm-carried',
  firstFailedAt: 'nm-first-failed-at',
  errorName: 'nm-error-name',
  error: 'nm-error',
  errorCode: 'nm-error-code',
  failedAt: 'nm-failed-at',
  /** When a dead letter was set aside again, which lies behind those that failed later than it did. */
  restoredAt: 'nm-restored-at',
  attempts: 'nm-attempts',
  group: 'nm-group',
  /** The queue a dead letter came from, and is redriven to. */
  queue: 'nm-queue',
} as const;

/** Headers that RabbitMQ writes itself, or takes for instructions. */
const OF_BROKER = /^(CC|BCC|x-death|x-delivery-count|x-acquired-count|x-(first|last)-death-.*)$/;

export const isOfBroker = (name: string): boolean => OF_BROKER.test(name);

/**
 * Bytes of a message's headers. amqplib encodes 64 KiB of them; what its copies carry besides, the last error's text
 * above all, needs room, or it could be published and never set aside.
 */
const MOST_HEADERS = 56 * 1024;

function checkSize(headers: Readonly<Record<string, string>>): void {
  let characters = 0;
  for (const name in headers) characters += name.length + headers[name]!.length + 6;
  // No character has more than three bytes: most messages are far below, and need no count of these.
  if (characters * 3 <= MOST_HEADERS) return;
  let size = 0;
  for (const name in headers) size += Buffer.byteLength(name) + Buffer.byteLength(headers[name]!) + 6;
  if (size > MOST_HEADERS)
    throw new MessageTooLargeError(
      `the message's headers have ${size} bytes: at most ${MOST_HEADERS} can be sent; put what is long into the body`,
    );
}

/**
 * What goes to the broker: any AMQP client reads the body as it is, and the properties it knows.
 * @throws {MessageTooLargeError} for headers that its copies would have no room for
 */
export function toProperties(message: Message, service: string): Properties {
  const { publishedAt } = message;
  const headers = Object.assign(toCloudEvent(message), message.headers);
  checkSize(headers);
  return {
    messageId: message.id,
    // AMQP counts seconds; `cloudEvents:time` has the milliseconds.
    timestamp: publishedAt === undefined ? undefined : Math.floor(publishedAt / 1_000),
    contentType: message.contentType,
    correlationId: message.correlationId,
    appId: service,
    type: message.destination.name,
    persistent: true,
    headers,
  };
}

/** Bytes in truth: a table whose key `__proto__` holds bytes passes for a `Buffer`. */
export const isBytes = (value: unknown): boolean => ArrayBuffer.isView(value);

const isTable = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value) && !isBytes(value);

const isWhole = (value: unknown, below: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value < below;

/** Seconds as amqplib writes them, in 64 bits. The last thousand of these it reads rounded up, to one that it cannot write. */
export const isTime = (value: unknown): value is number => isWhole(value, 2 ** 64);

/** Seconds; the last that a `Date` has. Who counts microseconds instead says no time that anybody can show. */
const LAST_SECOND = 8_640_000_000_000;

/** A time or a decimal in amqplib's notation; undefined for a stranger's table that only looks like one. */
export function notated(
  value: object,
): { readonly time: number } | { readonly digits: number; readonly places: number } | undefined {
  // Own keys alone, as amqplib has it: a key `__proto__` gives a table others.
  const { '!': type, value: inner } = { ...value } as { '!'?: unknown; value?: unknown };
  if (type === 'timestamp' && isTime(inner)) return { time: inner };
  if (type !== 'decimal' || !isTable(inner)) return undefined;
  const { digits, places } = { ...inner };
  return isWhole(digits, 2 ** 32) && isWhole(places, 256) ? { digits, places } : undefined;
}

/** A header's value as text. Undefined for what is no scalar: tables, lists and bytes are for `raw`. */
function text(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || typeof value === 'boolean') return String(value);
  const scalar = isTable(value) ? notated(value) : undefined;
  if (!scalar) return undefined;
  if ('time' in scalar) {
    const date = new Date(scalar.time * 1_000);
    return Number.isNaN(date.getTime()) ? String(scalar.time) : date.toISOString();
  }
  const { digits, places } = scalar;
  return (digits / 10 ** places).toFixed(Math.min(places, 100));
}

const positive = (value: unknown): number | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 0 ? value : undefined;

/** What a copy carries for its original. */
export interface Carried {
  readonly exchange?: string;
  readonly 'routing-key'?: string;
  readonly expiration?: string;
  readonly 'user-id'?: string;
  readonly headers?: Record<string, unknown>;
}

/** Anyone may send such a header, so that nothing in it is believed to be of its type. */
export function carriedOf(headers: Readonly<Record<string, unknown>>): Carried | undefined {
  const carried = headers[HEADER.carried];
  if (!isTable(carried)) return undefined;
  const texts = (['exchange', 'routing-key', 'expiration', 'user-id'] as const).flatMap((name) =>
    typeof carried[name] === 'string' ? [[name, carried[name]]] : [],
  );
  const { headers: inner } = carried;
  return { ...(Object.fromEntries(texts) as Carried), ...(isTable(inner) ? { headers: inner } : {}) };
}

/** A message as it came from the broker. */
export interface Received {
  readonly message: Message;
  readonly attempt: number;
  readonly deaths: number;
  readonly firstFailedAt: number | undefined;
  /** What the application sees of the broker: for a copy, as if it were the original. */
  readonly raw: AmqpMessage;
}

/** Undoes what was done to a copy, so that `raw` is what the original was. */
function restored(raw: AmqpMessage, carried: Carried | undefined): AmqpMessage {
  if (!carried) return raw;
  const headers = Object.entries(raw.properties.headers ?? {}).filter(
    ([name]) => !name.startsWith(MODULE_PREFIX) && !isOfBroker(name),
  );
  const properties: MessageProperties = {
    ...raw.properties,
    expiration: carried.expiration,
    userId: carried['user-id'],
    headers: { ...Object.fromEntries(headers), ...carried.headers },
  };
  return {
    content: raw.content,
    fields: {
      ...raw.fields,
      exchange: carried.exchange ?? raw.fields.exchange,
      routingKey: carried['routing-key'] ?? raw.fields.routingKey,
    },
    properties,
  };
}

/**
 * Reads any message, foreign ones included: what is missing or of a wrong type is left out, and nothing here throws.
 *
 * A message without an id gets a new one at each delivery, until a copy keeps it. One made of its content would make
 * two equal messages the same, and whoever drops duplicates would lose the second; so its duplicates are not
 * recognised instead.
 */
export function read(raw: AmqpMessage, source: Destination): Received {
  const headers: Record<string, unknown> = raw.properties.headers ?? {};
  const { contentType, messageId, correlationId, timestamp, type } = raw.properties;
  const carried = carriedOf(headers);
  const attributes: Record<string, string> = Object.create(null);
  const own: [string, string][] = [];
  for (const name of Object.keys(headers)) {
    const asText = text(headers[name]);
    if (asText === undefined) continue;
    const attribute = attributeOf(name);
    if (attribute !== undefined) attributes[attribute] = asText;
    else if (!name.startsWith(MODULE_PREFIX) && !isOfBroker(name)) own.push([name, asText]);
  }
  const event = fromCloudEvent(attributes);
  const routingKey = carried?.['routing-key'] ?? raw.fields.routingKey;
  const message: Message = {
    id: event.id || text(messageId) || text(headers[HEADER.id]) || randomUUID(),
    destination: destinationOf(source, routingKey, event.type ?? text(type)),
    // What a handler does to its bytes must not reach a copy made afterwards.
    body: Buffer.from(raw.content),
    contentType: text(contentType) || attributes['datacontenttype'] || 'application/json',
    headers: Object.fromEntries(own),
    key: event.key,
    source: event.source,
    publishedAt:
      event.publishedAt ?? (isTime(timestamp) && timestamp <= LAST_SECOND ? timestamp * 1_000 : undefined),
    dueAt: event.dueAt,
    correlationId: text(correlationId) ?? event.correlationId,
    causationId: event.causationId,
    expiresAt: event.expiresAt,
    version: event.version,
  };
  return {
    message,
    attempt: positive(headers[HEADER.attempt]) ?? 1,
    deaths: positive(headers[HEADER.deaths]) ?? 0,
    firstFailedAt: positive(headers[HEADER.firstFailedAt]),
    raw: restored(raw, carried),
  };
}

/** How often the broker handed it over before. Quorum queues count; elsewhere it is always 0. */
export function deliveryCount({ properties }: AmqpMessage): number {
  return positive(properties.headers?.['x-delivery-count']) ?? 0;
}

/** A dead letter. Others may have put messages into the queue too: what they left out is filled in. */
export function readDeadLetter(raw: AmqpMessage, { source, group }: SubscriptionId): DeadLetteredMessage {
  const headers: Record<string, unknown> = raw.properties.headers ?? {};
  const received = read(raw, source);
  const at = positive(headers[HEADER.failedAt]) ?? 0;
  const code = text(headers[HEADER.errorCode]);
  const failure: Failure = {
    name: text(headers[HEADER.errorName]) ?? 'Error',
    message: text(headers[HEADER.error]) ?? '',
    ...(code === undefined ? {} : { code }),
    at,
  };
  return {
    message: received.message,
    failure,
    attempts: positive(headers[HEADER.attempts]) ?? 1,
    group: text(headers[HEADER.group]) ?? group,
    firstFailedAt: received.firstFailedAt ?? at,
    origin: text(headers[HEADER.queue]),
    // RabbitMQ has no other place for it that stays.
    position: `${positive(headers[HEADER.restoredAt]) ?? at}/${received.message.id}`,
    raw: received.raw,
  };
}
