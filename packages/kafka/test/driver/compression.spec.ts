import { randomBytes } from 'node:crypto';
import { describe, expect, it } from '@jest/globals';
import { codec, MOST_DECOMPRESSED } from '../../src/driver/compression.js';
import { decodeBatches, encodeBatch, rawBeneath } from '../../src/driver/record-batch.js';

const MIB = 1024 * 1024;
const from = { topic: 't', partition: 3 };
const sequence = { producerId: 7n, producerEpoch: 1, first: 42 };
const record = (value: Buffer) => ({ topic: 't', key: null, value, headers: [] });

/** A frame of zstd, of blocks that repeat a zero 128 KiB times each. */
function zstdOf(blocks: number): Buffer {
  const header = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x00, 0x38]);
  const block = (last: boolean): Buffer => {
    const bytes = Buffer.alloc(4);
    bytes.writeUIntLE((131_072 << 3) | (1 << 1) | (last ? 1 : 0), 0, 3);
    return bytes;
  };
  return Buffer.concat([header, ...Array.from({ length: blocks }, (_, at) => block(at === blocks - 1))]);
}

describe('A compressed batch', () => {
  it.each(['gzip', 'snappy', 'lz4'] as const)(
    'of %s is read up to the limit, and not beyond',
    async (name) => {
      const { compress, decompress } = await codec(name);
      const bomb = await compress(Buffer.alloc(MOST_DECOMPRESSED + MIB));
      await expect(decompress(bomb)).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE', retryable: false });
      const large = await decompress(await compress(Buffer.alloc(MOST_DECOMPRESSED - MIB)));
      expect(large.length).toBe(MOST_DECOMPRESSED - MIB);
      const noise = randomBytes(2 * MIB);
      expect((await decompress(await compress(noise))).equals(noise)).toBe(true);
    },
  );

  it('of zstd is read up to the limit, and not beyond', async () => {
    const { decompress } = await codec('zstd');
    await expect(decompress(zstdOf(8 * 129))).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
    expect((await decompress(zstdOf(8 * 127))).length).toBe(127 * MIB);
    // It says that it becomes 2 GiB, and has nothing.
    const lie = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0x80, 0, 0, 0, 0, 1, 0, 0]);
    await expect(decompress(lie)).rejects.toThrow();
  });

  it('of snappy that says that it becomes more than it can is not believed', async () => {
    const { decompress } = await codec('snappy');
    const lie = Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0]);
    await expect(decompress(lie)).rejects.toMatchObject({ code: 'BATCH_TOO_LARGE' });
  });

  it('that becomes too much is passed over and told, and the next one is read', async () => {
    const bomb = await encodeBatch(
      [record(Buffer.alloc(MOST_DECOMPRESSED)), record(Buffer.alloc(1))],
      sequence,
      'gzip',
    );
    expect(bomb.length).toBeLessThan(MIB);
    const next = await encodeBatch([record(Buffer.from('fine'))], sequence, 'gzip');
    const { batches, unreadable } = await decodeBatches(
      Buffer.concat([bomb, next]),
      from,
      rawBeneath(() => undefined),
    );
    expect(unreadable).toBeUndefined();
    expect(batches).toHaveLength(2);
    expect(batches[0]).toMatchObject({ lastOffset: 1, records: [] });
    expect(batches[0]!.passedOver?.message).toMatch(
      /^The records from offset 0 to 1 of partition 3 of t are passed over: it holds more than \d+ bytes/,
    );
    expect(batches[1]!.records.map(({ value }) => value!.toString())).toEqual(['fine']);
  });

  it('that becomes much is the last of its answer: the next ones are fetched again', async () => {
    const large = await encodeBatch([record(Buffer.alloc(40 * MIB))], sequence, 'gzip');
    const { batches } = await decodeBatches(
      Buffer.concat([large, large]),
      from,
      rawBeneath(() => undefined),
    );
    expect(batches).toHaveLength(1);
  });
});
