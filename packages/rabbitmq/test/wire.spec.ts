import { createRequire } from 'node:module';
import { describe, expect, it } from '@jest/globals';
import type { OutgoingMessage } from '@nest-messaging/core/contract';
import type { Message as AmqpMessage } from 'amqplib';
import { copyProperties, deadLetterProperties } from '../src/copy.js';
import { HEADER, read, readDeadLetter, toProperties } from '../src/wire.js';

const { encodeTable, decodeFields } = createRequire(import.meta.url)(
  '../../../node_modules/amqplib/lib/codec.js',
) as {
  encodeTable(buffer: Buffer, table: object, offset: number): number;
  decodeFields(bytes: Buffer): Record<string, unknown>;
};

/** Headers as they are after a journey. */
function overTheWire(headers: object): Record<string, unknown> {
  const buffer = Buffer.alloc(65_536);
  return decodeFields(buffer.subarray(4, encodeTable(buffer, headers, 0)));
}

const source = { kind: 'topic', name: 'order.placed' } as const;

const message: OutgoingMessage = {
  id: 'id-1',
  destination: source,
  body: Buffer.from('{"a":1}'),
  contentType: 'application/json',
  headers: { colour: 'red' },
  key: 'k',
  source: '/shop/orders',
  publishedAt: Date.UTC(2024, 1, 29, 12, 0, 0, 678),
  dueAt: Date.UTC(2024, 1, 29, 13, 0, 0, 678),
  correlationId: 'c',
  causationId: 'b',
  expiresAt: Date.UTC(2030, 0, 1),
  version: '2',
  delay: 0,
  ordered: false,
};

function received(properties: Record<string, unknown>, fields: Record<string, unknown> = {}): AmqpMessage {
  const { headers = {}, persistent: _persistent, ...rest } = properties;
  return {
    content: Buffer.from('{"a":1}'),
    fields: { deliveryTag: 1, redelivered: false, exchange: 'shop', routingKey: 'order.placed', ...fields },
    properties: { ...rest, headers: overTheWire(headers as object) },
  } as unknown as AmqpMessage;
}

/** What amqplib delivers of what it was given to publish. */
const delivered = (properties: object, fields = {}): AmqpMessage => received({ ...properties }, fields);

describe('A message on the wire', () => {
  it('has AMQP’s properties, CloudEvents’ attributes and the user’s headers, and none of the module’s', () => {
    expect(toProperties(message, 'orders')).toEqual({
      messageId: 'id-1',
      timestamp: Math.floor(message.publishedAt! / 1_000),
      contentType: 'application/json',
      correlationId: 'c',
      appId: 'orders',
      type: 'order.placed',
      persistent: true,
      headers: {
        colour: 'red',
        'cloudEvents:specversion': '1.0',
        'cloudEvents:id': 'id-1',
        'cloudEvents:type': 'order.placed',
        'cloudEvents:source': '/shop/orders',
        'cloudEvents:time': '2024-02-29T12:00:00.678Z',
        'cloudEvents:duetime': '2024-02-29T13:00:00.678Z',
        'cloudEvents:partitionkey': 'k',
        'cloudEvents:correlationid': 'c',
        'cloudEvents:causationid': 'b',
        'cloudEvents:expirytime': '2030-01-01T00:00:00.000Z',
        'cloudEvents:dataversion': '2',
      },
    });
  });

  it('is read as it was written', () => {
    const { delay: _, ordered: _o, ...expected } = message;
    const { message: got, attempt, deaths } = read(delivered(toProperties(message, 'orders')), source);
    expect({ ...got, body: Buffer.from(got.body).toString() }).toEqual({ ...expected, body: '{"a":1}' });
    expect([attempt, deaths]).toEqual([1, 0]);
  });

  it('may carry CloudEvents under the other prefix', () => {
    const { message: got } = read(
      received({
        headers: {
          cloudEvents_id: 'e',
          cloudEvents_partitionkey: 'k',
          cloudEvents_time: '2024-01-01T00:00:00Z',
        },
      }),
      source,
    );
    expect(got).toMatchObject({ id: 'e', key: 'k', publishedAt: Date.UTC(2024, 0, 1), headers: {} });
  });

  it('may say nothing at all', () => {
    const raw = received({});
    (raw.properties as { headers: unknown }).headers = undefined;
    const { message: got } = read(raw, source);
    expect(got).toMatchObject({ destination: source, contentType: 'application/json', headers: {} });
    expect(got.id).toMatch(/^[0-9a-f-]{36}$/);
    expect(read(raw, source).message.id).not.toBe(got.id);
  });

  it('may have headers of every type AMQP knows: what is scalar becomes text, the rest is left to `raw`', () => {
    const { message: got, raw } = read(
      received({
        headers: {
          text: 't',
          number: 42,
          negative: -1.5,
          nan: { '!': 'double', value: Number.NaN },
          yes: true,
          no: false,
          date: { '!': 'timestamp', value: 1_700_000_000 },
          milliseconds: { '!': 'timestamp', value: 1_700_000_000_000_000 },
          decimal: { '!': 'decimal', value: { digits: 12345, places: 2 } },
          nothing: null,
          bytes: Buffer.from([1, 2]),
          list: [1, 2],
          table: { a: 1 },
          'x-death': [{ queue: 'q', count: 1 }],
          'x-delivery-count': 3,
          CC: ['other'],
        },
      }),
      source,
    );
    expect(got.headers).toEqual({
      text: 't',
      number: '42',
      negative: '-1.5',
      nan: 'NaN',
      yes: 'true',
      no: 'false',
      date: '2023-11-14T22:13:20.000Z',
      milliseconds: '1700000000000000',
      decimal: '123.45',
    });
    expect(raw.properties.headers!['table']).toEqual({ a: 1 });
  });

  it('may have tables that look like amqplib’s notation of times and decimals: they are tables', () => {
    const lookalikes = [
      { '!': 'decimal' },
      { '!': 'decimal', value: null },
      { '!': 'decimal', value: { digits: 'many', places: -5 } },
      { '!': 'timestamp', value: -1.5 },
      { '!': 'timestamp', value: 2 ** 64 },
    ];
    for (const table of lookalikes) {
      const raw = received({});
      raw.properties.headers = { table };
      const { message: got } = read(raw, source);
      expect(got.headers).toEqual({});
      expect(delivered(copyProperties(raw, 'given', {})).properties.headers!['table']).toEqual(table);
    }
  });

  it('may lie about the module’s own headers', () => {
    for (const nonsense of [-1, 1.5, 'x', null, { a: 1 }, [], Buffer.from('x'), true]) {
      const headers = Object.fromEntries(Object.values(HEADER).map((name) => [name, nonsense]));
      const got = read(received({ headers }), source);
      expect([got.attempt, got.deaths]).toEqual([1, 0]);
      readDeadLetter(received({ headers }) as never, { source, group: 'g' });
    }
    const carried = { 'routing-key': 5, exchange: {}, headers: 'x', expiration: null };
    const { message: got } = read(received({ headers: { [HEADER.carried]: carried } }), {
      kind: 'topic',
      name: '#',
    });
    expect(got.destination.name).toBe('order.placed');
  });
});

describe('A copy', () => {
  const original = received({
    messageId: undefined,
    contentType: 'text/plain',
    contentEncoding: 'gzip',
    expiration: '60000',
    userId: 'someone',
    priority: 4,
    replyTo: 'answers',
    correlationId: 'c',
    timestamp: 17,
    type: 'T',
    appId: 'A',
    headers: {
      colour: 'red',
      count: 3,
      CC: ['other.queue'],
      'x-death': [{ queue: 'q', reason: 'expired', count: 1, time: { '!': 'timestamp', value: 1 } }],
      'x-first-death-queue': 'q',
      'x-delivery-count': 2,
      'nm-d3': true,
    },
  });
  const copy = (raw: AmqpMessage, marks = {}): AmqpMessage =>
    delivered(copyProperties(raw, 'given', marks), {
      exchange: '',
      routingKey: 'shop.billing.order.placed',
    });

  it('has nothing that would send, end or close anything, and carries it for the handler', () => {
    const properties = copyProperties(original, 'given', {});
    expect(properties).not.toHaveProperty('userId');
    expect(properties).not.toHaveProperty('expiration');
    expect(Object.keys(properties.headers).sort()).toEqual(
      ['colour', 'count', ...Object.values(HEADER).filter((name) => name in properties.headers)].sort(),
    );
    const { raw } = read(copy(original), source);
    expect(raw.fields).toMatchObject({ exchange: 'shop', routingKey: 'order.placed' });
    const { 'x-delivery-count': _, 'nm-d3': _d, ...headers } = original.properties.headers!;
    expect(raw.properties).toMatchObject({ ...original.properties, headers });
  });

  it('of a copy is as the first one', () => {
    const first = copy(original, { attempt: 2, firstFailedAt: 5 });
    const second = copy(first, { attempt: 3, firstFailedAt: 5 });
    const { raw: _r, ...one } = read(first, source);
    const { raw, ...two } = read(second, source);
    expect(two).toEqual({ ...one, attempt: 3 });
    expect(raw).toEqual(read(first, source).raw);
  });

  it('keeps the id that was given when the message had none, and its topic under a pattern', () => {
    const { message: got } = read(copy(original), { kind: 'topic', name: 'order.*' });
    expect(got.id).toBe('given');
    expect(got.destination.name).toBe('order.placed');
  });

  it('keeps headers that amqplib can read and not write', () => {
    const awkward = {
      nan: { '!': 'double', value: Number.NaN },
      infinite: { '!': 'double', value: Number.NEGATIVE_INFINITY },
      huge: { '!': 'double', value: -1e300 },
      long: { '!': 'int64', value: 2 ** 55 },
      half: { '!': 'double', value: 2 ** 51 + 0.5 },
      table: Object.create({ '!': 'no type', value: 1 }),
      deep: { list: [{ nan: { '!': 'double', value: Number.NaN } }] },
      void: null,
      bytes: Buffer.from([0, 255]),
    };
    const raw = received({ headers: awkward });
    const again = copy(raw).properties.headers!;
    for (const name of Object.keys(awkward)) expect(again[name]).toEqual(raw.properties.headers![name]);
  });

  it('keeps a table that passes for bytes, and leaves out a time that amqplib reads and cannot write', () => {
    const raw = received({});
    // As amqplib reads a table that has bytes under the key `__proto__`.
    raw.properties.headers = {
      table: Object.create(Buffer.from('bytes'), { a: { value: 1, enumerable: true } }),
    };
    raw.properties.timestamp = 2 ** 64;
    const again = copy(raw);
    expect(again.properties.headers!['table']).toEqual({ a: 1 });
    expect(again.properties.timestamp).toBeUndefined();
  });

  it('was published at no time that there cannot be, as of who counts microseconds', () => {
    const raw = received({});
    raw.properties.timestamp = 1_700_000_000_000_000;
    expect(read(raw, source).message.publishedAt).toBeUndefined();
    // It stays on what is copied.
    expect(copy(raw).properties.timestamp).toBe(1_700_000_000_000_000);
  });

  it('that is a dead letter tells how it ended, in little space', () => {
    const properties = deadLetterProperties(copy(original), 'given', {
      failure: { name: 'CardDeclined', message: 'x'.repeat(100_000), code: 'E42', at: 7 },
      attempts: 3,
      group: 'billing',
      queue: 'shop.billing.order.placed',
      firstFailedAt: 5,
    });
    const letter = readDeadLetter(delivered(properties) as never, { source, group: 'other' });
    expect(letter).toMatchObject({ attempts: 3, group: 'billing', firstFailedAt: 5 });
    expect(letter.failure).toMatchObject({ name: 'CardDeclined', code: 'E42', at: 7 });
    expect(letter.failure.message).toHaveLength(4_097);
    expect(letter.message.headers).toEqual({ colour: 'red', count: '3' });
  });
});
