import { describe, expect, it } from '@jest/globals';
import { crc32c } from '../../src/driver/crc32c.js';
import type { NewRecord } from '../../src/driver/driver.js';
import { decodeBatches, encodeBatch, rawBeneath, recordBytes } from '../../src/driver/record-batch.js';

const from = { topic: 't', partition: 3 };
const sequence = { producerId: 7n, producerEpoch: 1, first: 42 };
const LENGTH_AT = 8;
const MAGIC_AT = 16;

const records: NewRecord[] = [
  { topic: 't', key: Buffer.from('k'), value: null, headers: [['é', Buffer.from('ü')]] },
  { topic: 't', key: null, value: Buffer.alloc(70_000, 1), headers: [] },
  {
    topic: 't',
    key: Buffer.alloc(0),
    value: Buffer.alloc(0),
    headers: [
      ['b', null],
      ['b', Buffer.alloc(200)],
    ],
  },
];

describe('A record batch', () => {
  it('is read as it was written, whole, and as large as foretold at most', async () => {
    const bytes = await encodeBatch(records, sequence, 'none');
    expect(bytes.length).toBeLessThanOrEqual(
      61 + records.reduce((sum, record) => sum + recordBytes(record), 0),
    );
    const cut = bytes.subarray(0, bytes.length - 1);
    const { batches, unreadable } = await decodeBatches(
      Buffer.concat([bytes, cut]),
      from,
      rawBeneath(({ offset }) => `raw ${offset}`),
    );
    expect(unreadable).toBeUndefined();
    expect(batches).toHaveLength(1);
    expect(batches[0]).toMatchObject({ lastOffset: 2, producerId: 7n, transactional: false });
    expect(
      batches[0]!.records.map(({ topic, key, value, headers }) => ({ topic, key, value, headers })),
    ).toEqual(records);
    expect(batches[0]!.records.map(({ partition, offset, raw }) => [partition, offset, raw])).toEqual(
      [0, 1, 2].map((offset) => [3, offset, `raw ${offset}`]),
    );
  });

  it.each([
    ['none', ''],
    ['of one byte each', 'a'.repeat(63)],
    ['of two', 'é'.repeat(63)],
    ['of three', '価'.repeat(64)],
    ['of four', '😀'.repeat(32)],
    ['of halves of a character', '\ud83d'.repeat(63)],
  ])('holds the text of headers, and is as large as foretold at most: %s', async (_, text) => {
    const record: NewRecord = { topic: 't', key: null, value: null, headers: [[text, text]] };
    const bytes = await encodeBatch([record], sequence, 'none');
    expect(bytes.length).toBeLessThanOrEqual(61 + recordBytes(record));
    const { batches } = await decodeBatches(
      bytes,
      from,
      rawBeneath(() => undefined),
    );
    const written = Buffer.from(text).toString();
    expect(batches[0]!.records[0]!.texts).toEqual([[written, written]]);
  });

  it('that cannot be read is told, and loses none of those in front of it', async () => {
    const bytes = await encodeBatch(records, sequence, 'gzip');
    for (const [spoil, code] of [
      [(bad: Buffer) => bad.fill(0, 61), 'CORRUPT_MESSAGE'],
      [(bad: Buffer) => bad.writeInt32BE(10, LENGTH_AT), 'CORRUPT_MESSAGE'],
      [(bad: Buffer) => bad.writeInt32BE(-100, LENGTH_AT), 'CORRUPT_MESSAGE'],
      [(bad: Buffer) => bad.writeInt8(1, MAGIC_AT), 'UNSUPPORTED_FOR_MESSAGE_FORMAT'],
    ] as const) {
      const bad = Buffer.from(bytes);
      spoil(bad);
      const { batches, unreadable } = await decodeBatches(
        Buffer.concat([bytes, bad]),
        from,
        rawBeneath(() => undefined),
      );
      expect(batches).toHaveLength(1);
      expect(unreadable).toMatchObject({ code, retryable: code === 'CORRUPT_MESSAGE' });
    }
  });

  it('has the checksum of RFC 3720, whatever its length', () => {
    expect(crc32c(Buffer.from('123456789'))).toBe(0xe3069283);
    expect(crc32c(Buffer.alloc(32))).toBe(0x8a9136aa);
    expect(crc32c(Buffer.alloc(32, 0xff))).toBe(0x62a8ab43);
    expect(crc32c(Buffer.alloc(0))).toBe(0);
  });
});
