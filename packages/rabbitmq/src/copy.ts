import { MODULE_PREFIX, type DeadLetterContent, type Failure } from '@nest-messaging/core/contract';
import type { Message as AmqpMessage } from 'amqplib';
import { eventsExchange, queueName, type Owner } from './topology.js';
import {
  carriedOf,
  HEADER,
  isBytes,
  isOfBroker,
  isTime,
  notated,
  toProperties,
  type Carried,
  type Properties,
} from './wire.js';

/** An error's text is for people; one of many kilobytes would not fit among the headers (64 KiB in all). */
const LONGEST_TEXT = 4_096;

const shortened = (text: string): string =>
  text.length > LONGEST_TEXT ? `${text.slice(0, LONGEST_TEXT)}…` : text;

/** Above this a whole number is none that AMQP's 64 bits hold. */
const TOO_LARGE = 2 ** 63;

/**
 * A header's value as amqplib encodes it to what it decoded it from. Left to itself it throws at numbers that are
 * neither whole nor small (a foreign NaN would make a message that can never be copied), and takes a table with a
 * key `!` for its own notation.
 */
function encodable(value: unknown): unknown {
  if (typeof value === 'number')
    return Number.isInteger(value) && Math.abs(value) < TOO_LARGE ? value : { '!': 'double', value };
  if (typeof value !== 'object' || value === null || isBytes(value)) return value;
  if (Array.isArray(value)) return value.map(encodable);
  if (notated(value)) return value;
  // Inherited keys are encoded, but not taken for the notation.
  return Object.create(table(value as Record<string, unknown>));
}

const table = (value: Record<string, unknown>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, encodable(inner)]));

/**
 * What a copy cannot have: `user_id` is checked against the copying user and closes the channel, `CC` and `BCC` send
 * the copy to other queues, `expiration` would end its delay early, and a death of old makes the broker see a cycle
 * and drop the message. They travel in one header. A copy of a copy carries what the first one did.
 */
function carry({ fields, properties }: AmqpMessage): Carried {
  const headers: Record<string, unknown> = properties.headers ?? {};
  const before = carriedOf(headers);
  if (before) return before;
  const ofBroker = Object.entries(headers).filter(
    ([name]) => isOfBroker(name) && name !== 'x-delivery-count',
  );
  return {
    exchange: fields.exchange,
    'routing-key': fields.routingKey,
    ...(properties.expiration === undefined ? {} : { expiration: String(properties.expiration) }),
    ...(properties.userId === undefined ? {} : { 'user-id': String(properties.userId) }),
    ...(ofBroker.length === 0 ? {} : { headers: Object.fromEntries(ofBroker) }),
  };
}

/** The module's headers of a copy. */
interface Marks {
  readonly attempt?: number;
  readonly deaths?: number;
  readonly firstFailedAt?: number;
}

/** The properties of a copy: those of the original, with the module's own headers made anew. */
export function copyProperties(original: AmqpMessage, id: string, marks: Marks): Properties {
  const { properties } = original;
  const headers = Object.entries(properties.headers ?? {}).filter(
    ([name]) => !name.startsWith(MODULE_PREFIX) && !isOfBroker(name),
  );
  const own: Record<string, unknown> = {
    [HEADER.id]: id,
    [HEADER.carried]: carry(original),
    [HEADER.attempt]: marks.attempt,
    [HEADER.deaths]: marks.deaths,
    [HEADER.firstFailedAt]: marks.firstFailedAt,
  };
  return {
    contentType: properties.contentType,
    contentEncoding: properties.contentEncoding,
    priority: properties.priority,
    correlationId: properties.correlationId,
    replyTo: properties.replyTo,
    messageId: properties.messageId,
    timestamp: isTime(properties.timestamp) ? properties.timestamp : undefined,
    type: properties.type,
    appId: properties.appId,
    persistent: true,
    headers: table({ ...Object.fromEntries(headers), ...own }),
  };
}

/** What a dead letter tells of its end. */
export interface Obituary {
  readonly failure: Failure;
  readonly attempts: number;
  readonly group: string;
  readonly queue: string;
  readonly firstFailedAt: number;
}

export function deadLetterProperties(original: AmqpMessage, id: string, obituary: Obituary): Properties {
  const { failure, attempts, group, queue, firstFailedAt } = obituary;
  const properties = copyProperties(original, id, { firstFailedAt });
  return {
    ...properties,
    headers: {
      ...properties.headers,
      [HEADER.errorName]: shortened(failure.name),
      [HEADER.error]: shortened(failure.message),
      [HEADER.errorCode]: failure.code === undefined ? undefined : shortened(failure.code),
      [HEADER.failedAt]: failure.at,
      [HEADER.attempts]: attempts,
      [HEADER.group]: group,
      [HEADER.queue]: queue,
    },
  };
}

/**
 * A dead letter made anew of what is known of it, as if its message had come from `queue` a second time.
 * @param now in milliseconds since 1970
 */
export function restoredProperties(
  owner: Owner,
  { message, failure, attempts, group, firstFailedAt }: DeadLetterContent,
  queue: string,
  now: number,
): Properties {
  const { kind, name } = message.destination;
  const [exchange, routingKey] =
    kind === 'queue' ? ['', queueName(owner, name)] : [eventsExchange(owner), name];
  const { appId: _, ...properties } = toProperties(message, '');
  const original = {
    content: Buffer.alloc(0),
    fields: { exchange, routingKey, deliveryTag: 0, redelivered: false },
    properties,
  } as unknown as AmqpMessage;
  const dead = deadLetterProperties(original, message.id, { failure, attempts, group, queue, firstFailedAt });
  return { ...dead, headers: { ...dead.headers, [HEADER.restoredAt]: now } };
}
