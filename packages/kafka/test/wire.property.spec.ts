import { describe, expect, it } from '@jest/globals';
import type { Message } from '@nest-messaging/core/contract';
import fc from 'fast-check';
import { date, optional, sendable, text } from '../../../test/support/arbitrary.js';
import type { NewRecord, StoredRecord } from '../src/driver/driver.js';
import { decodeBatches, encodeBatch, rawBeneath } from '../src/driver/record-batch.js';
import {
  copyForDeadLetters,
  copyForRetry,
  delayed,
  isNote,
  read,
  readDeadLetter,
  restoredDeadLetter,
  readDelayed,
  toRecord,
} from '../src/wire.js';

fc.configureGlobal({ numRuns: 200 * Number(process.env['FC_RUNS'] ?? 1) });

const owner = { namespace: 'shop', service: 'billing' };
const source = { kind: 'topic', name: 'order.placed' } as const;
const pattern = { kind: 'topic', name: 'order.#' } as const;
const [topic, retry, dead] = [
  'shop.order.placed',
  'shop.billing.order.placed--retry',
  'shop.billing.order.placed--dead',
];

/** As a fetch brings it, over Kafka's own bytes. */
async function fetched(record: NewRecord): Promise<StoredRecord> {
  const bytes = await encodeBatch([record], { producerId: 1n, producerEpoch: 0, first: 0 }, 'none');
  const place = { topic: record.topic, partition: record.partition ?? 3 };
  const { batches } = await decodeBatches(
    bytes,
    place,
    rawBeneath(() => undefined),
  );
  return batches[0]!.records[0]!;
}

const filled = text.filter((id) => id !== '');

const headerName = fc.oneof(
  fc.string({ minLength: 1, maxLength: 12 }),
  fc.constantFrom('constructor', 'toString', '1', '0', 'Content-Encoding', 'ce', 'nm', 'x-delays'),
  fc.constantFrom('ce_id', 'cloudEvents:id', 'x-delay', '__proto__', 'nm-attempt', 'Content-Type'),
);
/** Whatever the module lets an application send. */
const headers = fc.array(fc.tuple(headerName, text), { maxLength: 8 }).map(sendable);

const message: fc.Arbitrary<Message> = fc.record({
  id: filled,
  destination: fc.constant(source),
  body: fc.oneof(
    fc.uint8Array({ maxLength: 4_096 }),
    text.map((json) => Buffer.from(JSON.stringify(json))),
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
/** To the levels of delay and back, as often as it takes. */
async function afterDelay(record: NewRecord, hops: readonly number[]): Promise<NewRecord> {
  let waiting = record;
  for (const until of hops)
    waiting = await fetched(
      delayed(waiting, { topic: 'shop.billing--delay-0', due: 2 ** 43, until, to: record.topic }),
    );
  const due = hops.length === 0 ? undefined : readDelayed(waiting as StoredRecord)!;
  if (due) expect(due).toMatchObject({ due: 2 ** 43, until: hops.at(-1), to: record.topic });
  return due?.record ?? waiting;
}
const hops = fc.array(date, { maxLength: 3 });

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
  it('is read as it was written, with a delay and without', async () => {
    await fc.assert(
      fc.asyncProperty(message, hops, async (given, waits) => {
        const record = await fetched(await afterDelay(toRecord(topic, given), waits));
        expect(record.key).toEqual(given.key === undefined ? null : Buffer.from(given.key));
        for (const to of [source, pattern]) {
          const { message: got, attempt } = read(record, to, owner);
          expect(got).toEqual(expected(given));
          expect(Object.entries(got.headers).sort()).toEqual(Object.entries(given.headers).sort());
          expect(attempt).toBe(1);
        }
      }),
    );
  });

  it('is the same after any number of retries, each through any delay', async () => {
    await fc.assert(
      fc.asyncProperty(
        message,
        fc.array(hops, { minLength: 1, maxLength: 3 }),
        date,
        async (given, retries, at) => {
          let record = await fetched(toRecord(topic, given));
          for (const [index, waits] of retries.entries()) {
            const attempt = index + 2;
            const copy = copyForRetry(record, retry, { id: given.id, attempt, firstFailedAt: at });
            record = await fetched(await afterDelay(copy, waits));
            expect(read(record, pattern, owner)).toEqual({
              message: expected(given),
              attempt,
              firstFailedAt: at,
            });
          }
        },
      ),
    );
  });

  it('that is set aside says why, and is the same when it is redriven', async () => {
    await fc.assert(
      fc.asyncProperty(message, obituary, async (given, end) => {
        const record = await fetched(toRecord(topic, given));
        const letter = await fetched(copyForDeadLetters(record, dead, { id: given.id, ...end }));
        const id = { source, group: 'another' };
        const told = readDeadLetter(letter, id, owner);
        expect(told).toEqual({
          ...end,
          message: expected(given),
          origin: `${record.topic}/${record.partition}/${record.offset}`,
        });
        expect(readDeadLetter(await fetched(restoredDeadLetter(dead, told, () => true)), id, owner)).toEqual(
          told,
        );
        const again = await fetched(copyForRetry(letter, retry, { id: given.id }));
        expect(read(again, source, owner)).toEqual({
          message: expected(given),
          attempt: 1,
          firstFailedAt: undefined,
        });
      }),
    );
  });
});

const bytes: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ maxLength: 20 }).map((some) => Buffer.from(some)),
  fc
    .constantFrom('', '1', '-1', '1e400', '0x10', ' 5 ', 'NaN', '2024-01-01T00:00:00Z')
    .map((some) => Buffer.from(some)),
);
const foreignName = fc.oneof(
  fc.string({ maxLength: 8 }),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom(
    'nm-attempt',
    'nm-id',
    'nm-topic',
    'nm-time',
    'nm-due',
    'nm-until',
    'nm-to',
    'nm-error',
    'nm-attempts',
  ),
  fc.constantFrom(
    'ce_id',
    'ce_type',
    'ce_time',
    'ce_specversion',
    'ce___proto__',
    'content-type',
    '__proto__',
    'constructor',
  ),
);
const perhaps: fc.Arbitrary<Buffer | null> = fc.option(bytes);
const foreign: fc.Arbitrary<NewRecord> = fc.record({
  topic: fc.constantFrom(topic, retry, dead, 'shop.order.', 'shop.', 'elsewhere'),
  key: perhaps,
  value: fc.option(fc.uint8Array({ maxLength: 200 }).map((some) => Buffer.from(some))),
  headers: fc.array(fc.tuple(foreignName, perhaps), { maxLength: 8 }),
});

describe('any record of a stranger', () => {
  it('is read without harm', async () => {
    await fc.assert(
      fc.asyncProperty(
        foreign,
        fc.constantFrom(source, pattern, { kind: 'queue', name: 'q' } as const),
        async (given, to) => {
          const record = await fetched(given);
          const { message: got, attempt, firstFailedAt = 0 } = read(record, to, owner);
          expect(typeof got.id === 'string' && got.id !== '').toBe(true);
          // A tombstone is the payload `null`.
          expect(Buffer.from(got.body)).toEqual(record.value ?? Buffer.from('null'));
          expect(got.destination.name).not.toBe('');
          expect(got.contentType).not.toBe('');
          expect(Object.values(got.headers).every((value) => typeof value === 'string')).toBe(true);
          expect(Number.isSafeInteger(attempt) && attempt >= 1 && firstFailedAt >= 0).toBe(true);
          const letter = readDeadLetter(record, { source: to, group: 'billing' }, owner);
          expect(letter.attempts).toBeGreaterThanOrEqual(0);
          expect(typeof letter.failure.message).toBe('string');
          const waiting = readDelayed(record);
          if (waiting)
            expect([waiting.due >= 0, waiting.until >= 0, waiting.to !== '']).toEqual([true, true, true]);
          isNote(record);
          expect(Object.keys(Object.prototype)).toEqual([]);
        },
      ),
    );
  });

  it('can be copied, and a copy has the same bytes in the same order', async () => {
    await fc.assert(
      fc.asyncProperty(foreign, hops, async (given, waits) => {
        const record = await fetched(given);
        const { id } = read(record, source, owner).message;
        const copy = copyForRetry(record, retry, { id, attempt: 2, firstFailedAt: 1 });
        const again = await fetched(await afterDelay(copy, waits));
        expect([again.key, again.value]).toEqual([record.key, record.value]);
        const others = ({ headers: all }: StoredRecord) => all.filter(([name]) => !name.startsWith('nm-'));
        expect(others(again)).toEqual(others(record));
        expect(read(again, source, owner).message).toEqual(read(record, source, owner).message);
      }),
    );
  });
});
