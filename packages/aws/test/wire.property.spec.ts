import { describe, expect, it } from '@jest/globals';
import type { MessageAttributeValue, Message as SqsMessage } from '@aws-sdk/client-sqs';
import type { Destination, Message } from '@nest-messaging/core/contract';
import fc from 'fast-check';
import { date, optional, sendable } from '../../../test/support/arbitrary.js';
import { pointerOf } from '../src/pointer.js';
import {
  copyOf,
  fifoId,
  read,
  readDeadLetter,
  shortened,
  sizeOf,
  toParcel,
  unwrapped,
  type Parcel,
} from '../src/wire.js';

fc.configureGlobal({ numRuns: 300 * Number(process.env['FC_RUNS'] ?? 1) });

const owner = { namespace: 'shop' };
const source = { kind: 'topic', name: 'order.placed' } as const;
const pattern = { kind: 'topic', name: 'order.#' } as const;

// oxlint-disable-next-line no-control-regex
const XML = /^[\t\n\r\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]*$/u;

/** What SQS takes, by its documentation: a body, ten attributes with names and values, and XML's characters in all. */
function accepted({ body, attributes }: Parcel): Parcel {
  const names = Object.keys(attributes);
  expect(names.length).toBeLessThanOrEqual(10);
  for (const name of names) {
    expect(name).toMatch(/^[A-Za-z0-9_.-]{1,256}$/);
    expect(name).not.toMatch(/^(aws|amazon)\.|^\.|\.\.|\.$/i);
  }
  const values = Object.values(attributes).map(({ StringValue, BinaryValue }) => StringValue ?? BinaryValue!);
  for (const value of [body, ...values]) {
    expect(value.length).toBeGreaterThan(0);
    if (typeof value === 'string') expect(value).toMatch(XML);
  }
  return { body, attributes };
}

/** As SQS hands out what it took. */
const received = (parcel: Parcel): SqsMessage => {
  const { body, attributes } = accepted(parcel);
  return { MessageId: 'of-sqs', Body: body, MessageAttributes: { ...attributes } };
};

const text = fc.oneof(
  fc.string({ unit: 'grapheme', maxLength: 20 }),
  fc.string({ unit: 'binary', maxLength: 20 }),
  fc.constantFrom('\uffff', '\ufffe\u0001', '{"to":{"kind":"queue","name":"x"}}'),
);
const filled = text.filter((id) => id !== '');

const headerName = fc.oneof(
  { weight: 3, arbitrary: fc.nat(20).map((number) => `h${number}`) },
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom(
    'ce',
    'nm',
    'content-encoding',
    'ExtendedPayloadSize',
    'aws.x',
    'Amazon.y',
    'a..b',
    '.a',
    'a.',
  ),
  fc.constantFrom('constructor', 'toString', '1', '!', 'to', 'headers', 'x'.repeat(256), 'x'.repeat(257)),
  fc.constantFrom('ce_id', 'cloudEvents:id', 'x-delay', '__proto__', 'nm-attempt', 'CC'),
);
/** Whatever the module lets an application send. */
const headers = fc.array(fc.tuple(headerName, text), { maxLength: 20, size: 'max' }).map(sendable);

const message: fc.Arbitrary<Message> = fc.record({
  id: filled,
  destination: fc.constant(source),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 4_096 }),
    text.map((json) => Buffer.from(JSON.stringify(json))),
    text.map((plain) => Buffer.from(plain)),
  ),
  contentType: fc.constantFrom('application/json', 'text/plain; charset=utf-8'),
  headers,
  key: optional(text),
  source: optional(text),
  publishedAt: date,
  dueAt: optional(date),
  correlationId: optional(text),
  causationId: optional(text),
  expiresAt: optional(date),
  version: optional(text),
});
const expected = (given: Message) => ({
  ...given,
  source: given.source ?? '/',
  body: Buffer.from(given.body),
});

const to = fc.record({ kind: fc.constantFrom('topic' as const, 'queue' as const), name: filled });
const delay = fc.record({ due: date, to }, { requiredKeys: [] });
const failure = fc.record({ name: text, message: fc.string({ unit: 'binary', maxLength: 500 }), at: date });
const obituary = fc.record({
  failure: fc
    .tuple(failure, optional(text))
    .map(([known, code]) => (code === undefined ? known : { ...known, code })),
  attempts: fc.integer({ min: 1, max: 1_000 }),
  group: filled,
  firstFailedAt: date,
});

describe('any message', () => {
  it('is read as it was written, with a delay and without', () => {
    fc.assert(
      fc.property(message, delay, (given, delayed) => {
        const marks = given.key === undefined ? delayed : { ...delayed, key: given.key };
        const raw = received(toParcel(given, marks));
        for (const from of [source, pattern]) {
          const { message: got, attempt } = read(raw, from, owner);
          expect(got).toEqual(expected(given));
          expect(Object.entries(got.headers).sort()).toEqual(Object.entries(given.headers).sort());
          expect(attempt).toBe(1);
        }
        expect(read(raw, source, owner).marks).toMatchObject(marks);
        const { message: passedOn, marks: left } = read(received(copyOf(raw, {})), source, owner);
        expect(passedOn).toEqual(expected(given));
        expect([left.due, left.to]).toEqual([undefined, undefined]);
      }),
    );
  });

  it('is the same after any number of retries, each after any delay', () => {
    const retry = fc.record({ due: date, firstFailedAt: date });
    fc.assert(
      fc.property(message, fc.array(retry, { minLength: 1, maxLength: 4 }), (given, retries) => {
        let raw = received(toParcel(given));
        retries.forEach((marks, at) => {
          raw = received(copyOf(raw, { ...marks, id: given.id, attempt: at + 2 }));
          const got = read(raw, pattern, owner);
          expect(got.message).toEqual(expected(given));
          expect(got.attempt).toBe(at + 2);
          expect(got.marks).toMatchObject(marks);
        });
      }),
    );
  });

  it('that is set aside says why, and is the same when it is redriven', () => {
    fc.assert(
      fc.property(message, obituary, (given, end) => {
        const id = { source, group: 'another' };
        const letter = received(
          copyOf(received(toParcel(given)), { ...end, failure: shortened(end.failure) }),
        );
        const { raw: _, ...told } = readDeadLetter(letter, id, owner);
        expect(told).toEqual({ ...end, message: expected(given) });
        const again = read(received(copyOf(letter, { id: given.id })), source, owner);
        expect(again).toMatchObject({ message: expected(given), attempt: 1 });
        expect(again.marks.failure).toBeUndefined();
      }),
    );
  });

  it('weighs as much as its parts', () => {
    fc.assert(
      fc.property(message, (given) => {
        const { body, attributes } = toParcel(given);
        const parts = [
          body,
          ...Object.entries(attributes).flatMap(([name, value]) => [
            name,
            value.DataType!,
            value.StringValue!,
          ]),
        ];
        expect(sizeOf({ body, attributes })).toBe(Buffer.from(parts.join('')).length);
      }),
    );
  });
});

/** JSON whose objects may have a shape that conversions trip over. */
const json = fc.oneof(
  fc.jsonValue(),
  fc.constantFrom({ valueOf: 1, toString: 1 }, [], {}, '', -1, 1.5, 1e300, 'x', null, [[]]),
);
const lies = fc.oneof(
  fc
    .dictionary(
      fc.constantFrom(
        'headers',
        'attempt',
        'id',
        'topic',
        'due',
        'to',
        'key',
        'firstFailedAt',
        'failure',
        'attempts',
        'group',
      ),
      json,
    )
    .map((value) => JSON.stringify(value)),
  fc
    .dictionary(fc.constantFrom('id', 'type', 'time', 'partitionkey', 'datacontenttype', '__proto__'), json)
    .map((value) => JSON.stringify(value)),
  fc.json(),
  fc.constantFrom('', '{', 'null', '[]'),
);
const sent = fc.string({ minLength: 1, maxLength: 20 });
const attribute: fc.Arbitrary<MessageAttributeValue> = fc.oneof(
  sent.map((StringValue) => ({ DataType: 'String', StringValue })),
  fc.integer().map((number) => ({ DataType: 'Number.int', StringValue: String(number) })),
  fc.uint8Array({ minLength: 1, maxLength: 8 }).map((BinaryValue) => ({ DataType: 'Binary', BinaryValue })),
);
const attributes = fc
  .record(
    {
      own: fc.array(fc.tuple(fc.stringMatching(/^[a-z_]{1,6}$/), attribute), { maxLength: 10 }),
      ce: lies,
      nm: lies,
      'content-encoding': fc.constantFrom('base64', 'gzip'),
      ExtendedPayloadSize: fc.constant('5'),
    },
    { requiredKeys: ['own'], noNullPrototype: true },
  )
  .map(
    ({ own, ...module }) =>
      Object.fromEntries(
        [
          ...Object.entries(module).flatMap(([name, value]) =>
            value === '' ? [] : [[name, { DataType: 'String', StringValue: value }]],
          ),
          ...own,
        ].slice(0, 10),
      ) as Record<string, MessageAttributeValue>,
  );

const mostly = (right: fc.Arbitrary<unknown>): fc.Arbitrary<unknown> =>
  fc.oneof({ weight: 9, arbitrary: right }, { weight: 1, arbitrary: json });
/** SNS's envelope, also in another one, and what is nearly one. */
const { envelope } = fc.letrec<{ envelope: string }>((tie) => ({
  envelope: fc
    .record(
      {
        Type: mostly(fc.constant('Notification')),
        TopicArn: mostly(fc.constantFrom('arn:aws:sns:eu-west-1:1:shop_order_paid', '')),
        Message: mostly(fc.oneof({ maxDepth: 2 }, text, tie('envelope'))),
        MessageAttributes: mostly(
          fc.dictionary(
            fc.oneof(sent, fc.constantFrom('ce', 'nm', 'a b', '', 'content-encoding')),
            mostly(
              fc.record({
                Type: mostly(fc.constantFrom('String', 'Binary')),
                Value: mostly(fc.oneof(text, lies)),
              }),
            ),
          ),
        ),
      },
      { noNullPrototype: true },
    )
    .map((value) => JSON.stringify(value)),
}));

const foreign: fc.Arbitrary<SqsMessage> = fc.record({
  MessageId: fc.constant('of-sqs'),
  Body: fc.oneof(sent, { weight: 3, arbitrary: envelope }, fc.json()).filter((body) => XML.test(body)),
  Attributes: fc.record(
    { SentTimestamp: fc.constantFrom('1700000000000', ''), MessageGroupId: sent },
    { requiredKeys: [] },
  ),
  MessageAttributes: fc.option(attributes, { nil: undefined }),
});

const isText = (...values: unknown[]): boolean => values.every((value) => typeof value === 'string');

describe('any message of a stranger', () => {
  const destination = fc.constantFrom<Destination>(source, pattern, { kind: 'queue', name: 'invoices' });

  it('is read without harm', () => {
    fc.assert(
      fc.property(foreign, destination, (raw, from) => {
        const { message: got, attempt, marks } = read(raw, from, owner);
        expect(isText(got.id, got.destination.name, got.contentType, ...Object.values(got.headers))).toBe(
          true,
        );
        expect([got.id, got.destination.name, got.contentType]).not.toContain('');
        const { body, attributes: all } = unwrapped(raw);
        if (all['content-encoding']?.StringValue !== 'base64')
          expect(Buffer.from(got.body).toString()).toBe(body);
        expect(Number.isSafeInteger(attempt) && attempt >= 1).toBe(true);
        // Reckoned with, without a further look.
        for (const time of [marks.due, marks.firstFailedAt])
          expect(time === undefined || time >= 0).toBe(true);
        if (marks.to) expect(isText(marks.to.name) && ['topic', 'queue'].includes(marks.to.kind)).toBe(true);
        if (marks.key !== undefined) fifoId(marks.key);
        pointerOf(unwrapped(raw));
        expect(Object.keys(Object.prototype)).toEqual([]);
      }),
    );
  });

  it('is shown among the dead letters', () => {
    fc.assert(
      fc.property(foreign, (raw) => {
        const {
          failure: why,
          attempts,
          group,
          firstFailedAt,
        } = readDeadLetter(raw, { source, group: 'g' }, owner);
        expect(isText(why.name, why.message, group, why.code ?? '')).toBe(true);
        for (const number of [why.at, attempts, firstFailedAt]) expect(number).toBeGreaterThanOrEqual(0);
      }),
    );
  });

  it('can be copied to any queue, as often as it takes', () => {
    fc.assert(
      fc.property(foreign, (raw) => {
        const first = read(raw, source, owner).message;
        const marks = { id: first.id, attempt: 2, ...(first.key === undefined ? {} : { key: first.key }) };
        const copy = received(copyOf(received(copyOf(raw, marks)), { ...marks, attempt: 3 }));
        const again = read(copy, source, owner);
        expect(again.attempt).toBe(3);
        const { body, headers: kept, contentType } = again.message;
        expect({ body, headers: kept, contentType }).toEqual({
          body: first.body,
          headers: first.headers,
          contentType: first.contentType,
        });
      }),
    );
  });
});

describe('an id for FIFO', () => {
  it('is one that AWS takes, the same for the same text and another for another', () => {
    fc.assert(
      fc.property(fc.constantFrom('', 'x'.repeat(127), 'ü'.repeat(99)), text, text, (begin, ...ends) => {
        const [one, other] = ends.map((end) => begin + end) as [string, string];
        expect(fifoId(one)).toMatch(/^[!-~]{1,128}$/);
        expect(fifoId(one) === fifoId(other)).toBe(one === other);
      }),
    );
  });
});
