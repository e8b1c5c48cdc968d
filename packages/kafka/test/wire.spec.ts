import { describe, expect, it } from '@jest/globals';
import type { Message } from '@nest-messaging/core/contract';
import type { NewRecord, StoredRecord } from '../src/driver/driver.js';
import {
  copyForDeadLetters,
  copyForRetry,
  delayed,
  HEADER,
  isNote,
  note,
  read,
  readDeadLetter,
  readDelayed,
  toRecord,
} from '../src/wire.js';

const owner = { namespace: 'shop', service: 'billing' };
const source = { kind: 'topic', name: 'order.placed' } as const;
const topic = 'shop.order.placed';

const message: Message = {
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
};

type Headers = readonly (readonly [name: string, value: Buffer | string | null])[];

/** A record as a fetch brings it. */
function stored(record: Partial<Omit<StoredRecord, 'headers'>> & { headers?: Headers } = {}): StoredRecord {
  const { headers = [], ...rest } = record;
  return {
    topic,
    partition: 3,
    offset: 42,
    timestamp: 1_700_000_000_000,
    size: 2,
    key: null,
    value: Buffer.from('{}'),
    raw: undefined,
    ...rest,
    headers: headers.map(([name, value]) => [name, typeof value === 'string' ? Buffer.from(value) : value]),
    texts: headers.map(([name, value]) => [name, value && value.toString()]),
  };
}

/** What was written, as it comes back from elsewhere. */
const written = (record: NewRecord, place: Partial<StoredRecord> = {}): StoredRecord =>
  stored({ ...record, partition: 7, offset: 1, timestamp: 1_800_000_000_000, ...place } as never);

const texts = ({ headers }: Pick<NewRecord, 'headers'>): Record<string, string | undefined> =>
  Object.fromEntries(headers.map(([name, value]) => [name, value?.toString()]));

describe('A message on the wire', () => {
  it('has its body as the value, its key, CloudEvents’ attributes and the user’s headers, and none of the module’s', () => {
    const record = toRecord(topic, message);
    expect(record).toMatchObject({ topic, key: Buffer.from('k'), value: Buffer.from('{"a":1}') });
    expect(record.partition).toBeUndefined();
    expect(texts(record)).toEqual({
      colour: 'red',
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_id: 'id-1',
      ce_type: 'order.placed',
      ce_source: '/shop/orders',
      ce_time: '2024-02-29T12:00:00.678Z',
      ce_duetime: '2024-02-29T13:00:00.678Z',
      ce_partitionkey: 'k',
      ce_correlationid: 'c',
      ce_causationid: 'b',
      ce_expirytime: '2030-01-01T00:00:00.000Z',
      ce_dataversion: '2',
    });
  });

  it('is read as it was written', () => {
    const { message: got, attempt, firstFailedAt } = read(written(toRecord(topic, message)), source, owner);
    expect({ ...got, body: Buffer.from(got.body).toString() }).toEqual({ ...message, body: '{"a":1}' });
    expect([attempt, firstFailedAt]).toEqual([1, undefined]);
  });

  it('keeps its bytes, whatever a handler does with its own', () => {
    const got = stored({ value: Buffer.from('before') });
    read(got, source, owner).message.body.fill(0);
    expect(got.value!.toString()).toBe('before');
  });

  it('without a key has none on the wire, and an empty one stays empty', () => {
    expect(toRecord(topic, { ...message, key: undefined }).key).toBeNull();
    const empty = toRecord(topic, { ...message, key: '' });
    expect(empty.key).toEqual(Buffer.alloc(0));
    expect(read(written(empty), source, owner).message.key).toBe('');
  });
});

describe('A foreign record', () => {
  it('may say nothing at all', () => {
    const { message: got, attempt } = read(stored(), source, owner);
    expect(got).toMatchObject({
      destination: source,
      contentType: 'application/json',
      headers: {},
      publishedAt: 1_700_000_000_000,
    });
    expect(got.key).toBeUndefined();
    expect(got.source).toBeUndefined();
    expect(attempt).toBe(1);
  });

  it('without an id is known by its place in the log, the same at each delivery', () => {
    expect(read(stored(), source, owner).message.id).toBe('shop.order.placed/3/42');
    expect(read(stored({ headers: [['ce_id', '']] }), source, owner).message.id).toBe(
      'shop.order.placed/3/42',
    );
  });

  it('may be a tombstone, whose payload is null, and which has its key', () => {
    const { message: got } = read(stored({ key: Buffer.from('k'), value: null }), source, owner);
    expect(Buffer.from(got.body).toString()).toBe('null');
    expect(got.key).toBe('k');
  });

  it('may have headers that repeat, are null, or hold no text: the last one counts', () => {
    const binary = Buffer.from([0xff, 0xfe, 0x00]);
    const { message: got } = read(
      stored({
        headers: [
          ['colour', 'red'],
          ['colour', 'blue'],
          ['nothing', null],
          ['once', 'there'],
          ['once', null],
          ['empty', ''],
          ['binary', binary],
          ['__proto__', 'a name as any other'],
        ],
      }),
      source,
      owner,
    );
    expect({ ...got.headers }).toMatchObject({
      colour: 'blue',
      once: 'there',
      empty: '',
      binary: binary.toString(),
    });
    expect(got.headers).not.toHaveProperty('nothing');
    expect(Object.getOwnPropertyDescriptor(got.headers, '__proto__')?.value).toBe('a name as any other');
  });

  it('may have attributes that are no dates and no numbers', () => {
    const { message: got } = read(
      stored({
        headers: [
          ['ce_specversion', '1.0'],
          ['ce_id', 'x'],
          ['ce_time', 'yesterday'],
          ['ce_expirytime', ''],
          ['ce_datacontenttype', 'text/csv'],
          ['ce_unknown', 'y'],
        ],
      }),
      source,
      owner,
    );
    expect(got).toMatchObject({ id: 'x', contentType: 'text/csv', headers: {} });
    expect([got.publishedAt, got.expiresAt]).toEqual([undefined, undefined]);
  });

  it('may lie about the module’s own headers', () => {
    for (const nonsense of ['-1', '1.5', 'x', '', '1e400', Buffer.from([0xff]), null]) {
      const record = stored({ headers: Object.values(HEADER).map((name) => [name, nonsense]) });
      expect(read(record, source, owner).attempt).toBe(1);
      expect(read(record, source, owner).firstFailedAt).toBeUndefined();
      expect(readDelayed(record)).toBeUndefined();
      readDeadLetter(record, { source, group: 'billing' }, owner);
    }
    expect(read(stored({ headers: [[HEADER.attempt, '0']] }), source, owner).attempt).toBe(1);
  });

  it('under a pattern is of the event whose topic it came by, and always of some', () => {
    const pattern = { kind: 'topic', name: 'order.*' } as const;
    const headers: Headers = [['ce_type', 'else.where']];
    for (const nowhere of ['', 'shop.'])
      expect(
        read(
          stored({
            headers: [
              [HEADER.topic, nowhere],
              ['ce_type', ''],
            ],
          }),
          pattern,
          owner,
        ).message.destination.name,
      ).toBe('order.*');
    expect(read(stored({ headers }), pattern, owner).message.destination.name).toBe('order.placed');
    expect(read(stored({ headers }), source, owner).message.destination.name).toBe('order.placed');
  });
});

describe('A copy', () => {
  const awkward: Headers = [
    ['colour', 'red'],
    ['colour', 'blue'],
    ['nothing', null],
    ['binary', Buffer.from([0, 255, 254])],
    ['ce_time', 'yesterday'],
    ['content-type', 'text/plain'],
  ];
  const original = stored({
    key: Buffer.from([0xff, 0x00]),
    value: Buffer.from([1, 0, 255]),
    headers: awkward,
  });
  const retryTopic = 'shop.billing.order.placed--retry';
  const retried = (record: StoredRecord, attempt: number): NewRecord =>
    copyForRetry(record, retryTopic, { id: 'shop.order.placed/3/42', attempt, firstFailedAt: 5 });

  it('keeps key, value and headers byte for byte, repeated ones and their order included', () => {
    for (const copy of [
      retried(original, 2),
      retried(written(retried(original, 2)), 3),
      readDelayed(written(delayed(retried(original, 2), { topic: 'd', due: 1, until: 1, to: retryTopic })))!
        .record,
    ]) {
      expect(copy.topic).toBe(retryTopic);
      expect([copy.key, copy.value]).toEqual([original.key, original.value]);
      expect(copy.headers.slice(0, awkward.length)).toEqual(original.headers);
      expect(copy.headers.slice(awkward.length).every(([name]) => name.startsWith('nm-'))).toBe(true);
    }
    const tombstone = retried(stored({ key: Buffer.from('k'), value: null }), 2);
    expect(tombstone.value).toBeNull();
  });

  it('says once where and when it was first written, however often it is copied', () => {
    const third = retried(written(retried(written(retried(original, 2)), 3)), 4);
    const own = third.headers.filter(([name]) => name.startsWith('nm-'));
    expect(new Set(own.map(([name]) => name)).size).toBe(own.length);
    expect(texts(third)).toMatchObject({
      [HEADER.topic]: topic,
      [HEADER.partition]: '3',
      [HEADER.offset]: '42',
      [HEADER.time]: '1700000000000',
      [HEADER.attempt]: '4',
    });
  });

  it('is read as the first one was, but for the attempt', () => {
    const pattern = { kind: 'topic', name: '#' } as const;
    for (const from of [source, pattern]) {
      const { message: first } = read(original, from, owner);
      const again = read(written(retried(original, 2)), from, owner);
      expect(again.message).toEqual(first);
      expect([again.attempt, again.firstFailedAt]).toEqual([2, 5]);
    }
  });

  it('says when it was first written, whatever a stranger has said of that', () => {
    expect(texts(retried(stored({ headers: [[HEADER.time, 'yesterday']] }), 2))).toMatchObject({
      [HEADER.time]: '1700000000000',
    });
  });

  it('that is redriven starts anew', () => {
    const dead = copyForDeadLetters(written(retried(original, 3)), 'dead', {
      id: 'shop.order.placed/3/42',
      failure: { name: 'E', message: 'm', at: 9 },
      attempts: 3,
      group: 'billing',
      firstFailedAt: 5,
    });
    const redriven = copyForRetry(written(dead), retryTopic, { id: 'shop.order.placed/3/42' });
    const got = read(written(redriven), source, owner);
    expect([got.attempt, got.firstFailedAt]).toEqual([1, undefined]);
    expect(got.message).toEqual(read(original, source, owner).message);
    expect(texts(redriven)).not.toHaveProperty([HEADER.error]);
  });

  it('that is a dead letter tells how it ended, in little space', () => {
    const letter = copyForDeadLetters(original, 'shop.billing.order.placed--dead', {
      id: 'given',
      failure: { name: 'CardDeclined', message: 'x'.repeat(100_000), code: 'E42', at: 7 },
      attempts: 3,
      group: 'billing',
      firstFailedAt: 5,
    });
    expect(letter).toMatchObject({ topic: 'shop.billing.order.placed--dead', value: original.value });
    expect(texts(letter)).toMatchObject({
      [HEADER.topic]: topic,
      [HEADER.partition]: '3',
      [HEADER.offset]: '42',
      [HEADER.attempts]: '3',
      [HEADER.group]: 'billing',
      [HEADER.errorName]: 'CardDeclined',
      [HEADER.errorCode]: 'E42',
      [HEADER.failedAt]: '7',
    });
    const got = readDeadLetter(written(letter), { source, group: 'other' }, owner);
    expect(got).toMatchObject({ attempts: 3, group: 'billing', firstFailedAt: 5 });
    expect(got.failure).toMatchObject({ name: 'CardDeclined', code: 'E42', at: 7 });
    expect(got.failure.message).toHaveLength(4_097);
    expect(got.message.id).toBe('given');
    expect(got.message.headers).toEqual({ colour: 'blue', binary: Buffer.from([0, 255, 254]).toString() });
  });

  it('that someone else put among the dead letters is shown all the same', () => {
    expect(readDeadLetter(stored(), { source, group: 'billing' }, owner)).toMatchObject({
      failure: { name: 'Error', message: expect.stringContaining('nothing is known'), at: 1_700_000_000_000 },
      attempts: 0,
      group: 'billing',
    });
  });
});

describe('A record that waits', () => {
  it('says when it is due and where, and of earlier hops nothing', () => {
    const record = toRecord(topic, message);
    const first = delayed(record, { topic: 'level-1', due: 9_000, until: 1_000, to: topic });
    const second = delayed(first, { topic: 'level-0', due: 9_000, until: 9_000, to: topic });
    expect(second).toMatchObject({ topic: 'level-0', partition: 0 });
    expect(second.headers).toHaveLength(record.headers.length + 3);
    const back = readDelayed(written(second))!;
    expect(back).toMatchObject({ due: 9_000, until: 9_000, to: topic });
    expect({ ...back.record, headers: texts(back.record) }).toEqual({ ...record, headers: texts(record) });
  });

  it('is none of ours without all of it', () => {
    expect(readDelayed(stored())).toBeUndefined();
    expect(
      readDelayed(
        stored({
          headers: [
            [HEADER.due, '1'],
            [HEADER.until, '1'],
          ],
        }),
      ),
    ).toBeUndefined();
  });
});

describe('A note', () => {
  it('is told from a message', () => {
    const record = written(note('a--dead', 4, 'gone', [1, 2]), { partition: 4 });
    expect(isNote(record)).toBe(true);
    expect(JSON.parse(record.value!.toString())).toEqual([1, 2]);
    expect(note('a--dead', 4, 'gone', [1, 2]).partition).toBe(4);
    expect(isNote(stored({ headers: [['note', 'gone']] }))).toBe(false);
    // Anybody may set such a header in a topic of their own.
    expect(isNote(stored({ headers: [[HEADER.note, 'gone']] }))).toBe(false);
    expect(isNote(written(toRecord(topic, message)))).toBe(false);
  });
});
