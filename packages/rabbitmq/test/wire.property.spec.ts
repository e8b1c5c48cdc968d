import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import type { OutgoingMessage } from '@nest-messaging/core/contract';
import type { Message as AmqpMessage } from 'amqplib';
import fc from 'fast-check';
import { date, optional, sendable, text } from '../../../test/support/arbitrary.js';
import { copyProperties, deadLetterProperties, restoredProperties } from '../src/copy.js';
import { delayRoute } from '../src/delays.js';
import { deliveryCount, isOfBroker, read, readDeadLetter, toProperties } from '../src/wire.js';

fc.configureGlobal({ numRuns: 300 * Number(process.env['FC_RUNS'] ?? 1) });

const amqplib = createRequire(import.meta.url);
const { publish } = amqplib('../../../node_modules/amqplib/lib/api_args.js') as {
  publish(exchange: string, routingKey: string, options: object): object;
};
const { BasicProperties, encodeProperties, decode } = amqplib(
  '../../../node_modules/amqplib/lib/defs.js',
) as {
  BasicProperties: number;
  encodeProperties(id: number, channel: number, size: number, fields: object): Buffer;
  decode(id: number, bytes: Buffer): AmqpMessage['properties'];
};

type Fields = { exchange: string; routingKey: string };
const PUBLISHED: Fields = { exchange: 'events', routingKey: 'order.placed' };
const COPIED: Fields = { exchange: '', routingKey: 'billing.order.placed' };

/** What a consumer gets, over bytes that amqplib itself writes and reads. */
function delivered(properties: object, body: Uint8Array, fields: Fields): AmqpMessage {
  const frame = encodeProperties(
    BasicProperties,
    1,
    body.byteLength,
    publish(fields.exchange, fields.routingKey, properties),
  );
  // A frame's head, class, weight and size are before the properties, a mark behind them.
  const read = decode(BasicProperties, frame.subarray(19, -1));
  return { content: Buffer.from(body), fields, properties: read } as unknown as AmqpMessage;
}

const short = text.filter((id) => id !== '' && Buffer.byteLength(id) < 256);
const body = fc.oneof(
  fc.uint8Array({ maxLength: 4_096 }),
  text.map((json) => Buffer.from(JSON.stringify(json))),
);

const headerName = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom(
    '!',
    'constructor',
    'toString',
    '1',
    'X-Trace',
    'cloudEvents',
    'x-match',
    'x-deaths',
    'value',
  ),
  fc.constantFrom(
    'ce_id',
    'cloudEvents:id',
    'x-delay',
    '__proto__',
    'nm-attempt',
    'x-first-death-queue',
    'CC',
  ),
);
/** Whatever the module lets an application send. */
const headers = fc.array(fc.tuple(headerName, text), { maxLength: 8 }).map(sendable);

const source = { kind: 'topic', name: 'order.placed' } as const;
const message: fc.Arbitrary<OutgoingMessage> = fc.record({
  id: short,
  destination: fc.constant(source),
  body,
  contentType: fc.constantFrom('application/json', 'text/plain; charset=utf-8'),
  headers,
  key: optional(text),
  source: optional(text),
  publishedAt: optional(date),
  dueAt: optional(date),
  correlationId: optional(short),
  causationId: optional(text),
  expiresAt: optional(date),
  version: optional(text),
  delay: fc.nat(1_000_000),
  ordered: fc.boolean(),
});

/** What a handler is to see of it. */
const expected = ({ delay: _delay, ordered: _ordered, ...rest }: OutgoingMessage) => ({
  ...rest,
  source: rest.source ?? '/',
  body: Buffer.from(rest.body),
});

const publishing = (given: OutgoingMessage): AmqpMessage => {
  const properties = toProperties(given, 'orders');
  const route = given.delay > 0 ? delayRoute(given.delay, 'topic').headers : {};
  return delivered({ ...properties, headers: { ...properties.headers, ...route } }, given.body, PUBLISHED);
};

const failure = fc.record({
  name: text,
  message: fc.string({ unit: 'binary', maxLength: 500 }),
  at: fc.integer({ min: 1, max: 2 ** 43 }),
});
const obituary = fc.record({
  failure: fc
    .tuple(failure, optional(text))
    .map(([known, code]) => (code === undefined ? known : { ...known, code })),
  attempts: fc.integer({ min: 1, max: 1_000 }),
  group: short,
  queue: short,
  firstFailedAt: fc.integer({ min: 1, max: 2 ** 43 }),
});

describe('any message', () => {
  it('is read as it was written, with a delay and without', () => {
    fc.assert(
      fc.property(message, (given) => {
        const { message: got, attempt, deaths } = read(publishing(given), source);
        expect(got).toEqual(expected(given));
        expect(Object.entries(got.headers).sort()).toEqual(Object.entries(given.headers).sort());
        expect([attempt, deaths]).toEqual([1, 0]);
      }),
    );
  });

  it('is the same after any number of retries, each through any delay', () => {
    const retry = fc.record({ delay: fc.nat(), firstFailedAt: fc.integer({ min: 1, max: 2 ** 43 }) });
    fc.assert(
      fc.property(message, fc.array(retry, { minLength: 1, maxLength: 4 }), (given, retries) => {
        const original = publishing(given);
        let raw = original;
        retries.forEach(({ delay, firstFailedAt }, at) => {
          const properties = copyProperties(raw, given.id, { attempt: at + 2, firstFailedAt });
          const route = delay > 0 ? delayRoute(delay, 'queue').headers : {};
          raw = delivered(
            { ...properties, headers: { ...properties.headers, ...route } },
            raw.content,
            COPIED,
          );
          const got = read(raw, { kind: 'topic', name: 'order.*' });
          expect(got.message).toEqual(expected(given));
          expect(got).toMatchObject({ attempt: at + 2, firstFailedAt });
          // What is the module's own is not shown, and what is the broker's is as it was.
          expect(got.raw.fields).toEqual(original.fields);
          expect(Object.keys(got.raw.properties.headers!).some((name) => name.startsWith('nm-'))).toBe(false);
        });
      }),
    );
  });

  it('that is set aside says why, and is the same when it is redriven', () => {
    fc.assert(
      fc.property(message, obituary, (given, end) => {
        const dead = delivered(deadLetterProperties(publishing(given), given.id, end), given.body, COPIED);
        const { raw: _, ...letter } = readDeadLetter(dead as never, { source, group: 'another' });
        const { queue: origin, ...told } = end;
        const known = {
          ...told,
          message: expected(given),
          origin,
          position: `${end.failure.at}/${given.id}`,
        };
        expect(letter).toEqual(known);
        const restored = delivered(
          restoredProperties({ service: 's' }, letter, origin, 1),
          given.body,
          COPIED,
        );
        expect(readDeadLetter(restored as never, { source, group: 'another' })).toMatchObject({
          ...known,
          position: `1/${given.id}`,
        });
        const redriven = delivered(copyProperties(dead, given.id, {}), given.body, COPIED);
        const own = Object.keys(redriven.properties.headers!).filter((name) => name.startsWith('nm-'));
        expect(own.sort()).toEqual(['nm-carried', 'nm-id']);
        const again = read(redriven, source);
        expect(again).toMatchObject({ message: expected(given), attempt: 1, firstFailedAt: undefined });
      }),
    );
  });
});

/** AMQP's numbers, those included that amqplib reads and would not write again; -0 is 0 to it. */
const number = fc
  .oneof(
    fc.double(),
    fc.integer(),
    fc.constantFrom(2 ** 51 + 0.5, 2 ** 63, -(2 ** 63), 2 ** 64, 1e300, Number.NaN),
  )
  .map((value) => value + 0);
const key = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.constantFrom('!', 'value', 'digits', 'places', '__proto__', 'constructor', 'headers', 'routing-key'),
);
/**
 * A table as amqplib reads it: by assignment, so that `__proto__` sets the prototype of the table alone. Without one, a
 * second `__proto__` would be a key as any other, which amqplib itself loses at the next reading.
 */
const table = (entries: readonly (readonly [string, unknown])[]): Record<string, unknown> => {
  const made: Record<string, unknown> = {};
  for (const [name, value] of entries) if (name !== '__proto__' || value !== null) made[name] = value;
  return made;
};
/** Objects as amqplib makes them. */
const PLAIN = { noNullPrototype: true } as const;
const { field } = fc.letrec<{ field: unknown; fields: Record<string, unknown> }>((tie) => ({
  field: fc.oneof(
    { maxDepth: 3, depthIdentifier: 'field' },
    text,
    number,
    fc.boolean(),
    fc.constantFrom(null, 'decimal', 'timestamp', 'double', 'int64'),
    fc.uint8Array({ maxLength: 8 }).map((bytes) => Buffer.from(bytes)),
    fc.nat().map((value) => ({ '!': 'timestamp', value })),
    fc.record({ digits: fc.nat(), places: fc.nat(255) }, PLAIN).map((value) => ({ '!': 'decimal', value })),
    // What a table says that only looks like one of those.
    fc.record({ '!': fc.constantFrom('timestamp', 'decimal', 'int8', 'x'), value: tie('field') }, PLAIN),
    fc.constant({ '!': 'decimal' }),
    fc.constant(table([['__proto__', Buffer.from('passes for bytes')]])),
    fc.array(tie('field'), { maxLength: 3, depthIdentifier: 'field' }),
    tie('fields'),
  ),
  fields: fc.array(fc.tuple(key, tie('field')), { maxLength: 4, depthIdentifier: 'field' }).map(table),
}));
const foreignName = fc.oneof(
  key,
  fc.constantFrom('nm-attempt', 'nm-id', 'nm-carried', 'nm-error', 'nm-attempts', 'nm-failed-at', 'nm-d3'),
  fc.constantFrom(
    'cloudEvents:id',
    'cloudEvents_time',
    'cloudEvents:type',
    'CC',
    'x-death',
    'x-delivery-count',
  ),
);
const amqpText = optional(fc.string({ maxLength: 20 }));
const foreign: fc.Arbitrary<AmqpMessage> = fc.record({
  content: fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
  fields: fc.record({ exchange: text, routingKey: fc.oneof(fc.constant(''), short) }),
  properties: fc.record({
    headers: optional(fc.array(fc.tuple(foreignName, field), { maxLength: 6 }).map(table)),
    contentType: amqpText,
    correlationId: amqpText,
    messageId: amqpText,
    type: amqpText,
    userId: amqpText,
    expiration: amqpText,
    timestamp: optional(fc.oneof(fc.nat(), fc.constantFrom(2 ** 53, 2 ** 64))),
    priority: optional(fc.nat(255)),
  }),
}) as never;

describe('any message of a stranger', () => {
  it.each([
    ['a topic', { kind: 'topic', name: 'order.placed' }],
    ['a pattern', { kind: 'topic', name: 'order.#' }],
    ['a queue', { kind: 'queue', name: 'invoices' }],
  ] as const)('to %s is read without harm', (_, to) => {
    fc.assert(
      fc.property(foreign, (raw) => {
        const { message: got, attempt, deaths } = read(raw, to);
        expect(typeof got.id === 'string' && got.id !== '').toBe(true);
        expect(Buffer.from(got.body).equals(raw.content)).toBe(true);
        expect(got.destination.name).not.toBe('');
        expect(got.contentType).not.toBe('');
        expect(Object.values(got.headers).every((value) => typeof value === 'string')).toBe(true);
        expect(Number.isSafeInteger(attempt) && attempt >= 1 && deaths >= 0).toBe(true);
        expect(deliveryCount(raw)).toBeGreaterThanOrEqual(0);
        const letter = readDeadLetter(raw as never, { source: to, group: 'billing' });
        expect(typeof letter.group).toBe('string');
        expect(letter.attempts).toBeGreaterThanOrEqual(1);
        expect(typeof letter.failure.message).toBe('string');
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
  });

  it('can be copied, and a copy has all that the original had', () => {
    const isKept = ([name]: [string, unknown]): boolean => !name.startsWith('nm-') && !isOfBroker(name);
    fc.assert(
      fc.property(foreign, (raw) => {
        const copy = delivered(copyProperties(raw, 'given', { attempt: 2 }), raw.content, COPIED);
        const kept = ({ properties }: AmqpMessage) =>
          Object.fromEntries(Object.entries(properties.headers ?? {}).filter(isKept));
        expect(kept(copy)).toEqual(kept(raw));
        const first = read(raw, source).message;
        const second = read(copy, source);
        expect(second.message).toEqual({ ...first, id: second.message.id });
        expect(second.attempt).toBe(2);
      }),
    );
  });
});
