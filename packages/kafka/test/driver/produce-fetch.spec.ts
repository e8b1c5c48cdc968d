import { expect, it } from '@jest/globals';
import { ConfigurationError } from '@nest-messaging/core/contract';
import { checkCompression } from '../../src/driver/compression.js';
import { fetchOnce, onEachDriver, record, until } from './stage.js';

onEachDriver('Producing and fetching', (stage) => {
  it('gives back what was sent: key, value, headers in their order, repeated, empty, without a value, binary', async () => {
    const topic = await stage().topic();
    const producer = await stage().producer();
    const binary = Buffer.from([0, 0xff, 0x80, 0x0a]);
    const headers = [
      ['b', Buffer.from('1')],
      ['a', Buffer.from('2')],
      ['10', Buffer.from('number-like')],
      ['b', Buffer.from('3')],
      ['2', null],
      ['empty', Buffer.alloc(0)],
      ['bytes', binary],
      ['é', Buffer.from('ü')],
    ] as const;
    const start = Date.now();
    const sent = [
      record({ topic, key: Buffer.from('key'), value: binary, headers }),
      record({ topic, key: Buffer.from('tombstone'), value: null }),
      record({ topic, key: null, value: Buffer.alloc(0) }),
      record({ topic, key: Buffer.alloc(0), value: Buffer.from('x') }),
    ];
    expect(await producer.send(sent, 5_000)).toEqual(sent.map(() => undefined));
    const seen = await stage().read(topic, 4);
    expect(seen.map(({ key, value, headers }) => ({ topic, key, value, headers }))).toEqual(sent);
    expect(seen.map(({ partition, offset }) => [partition, offset])).toEqual([0, 1, 2, 3].map((i) => [0, i]));
    for (const { timestamp, raw } of seen) {
      expect(timestamp).toBeGreaterThanOrEqual(start);
      expect(timestamp).toBeLessThanOrEqual(Date.now());
      expect(raw).toBeDefined();
    }
  });

  it.each(['gzip', 'snappy', 'lz4', 'zstd'] as const)('writes and reads %s', async (compression) => {
    const topic = await stage().topic();
    if (compression === 'zstd' && Number(process.versions.node.split('.')[0]) < 22) {
      await expect(checkCompression(compression)).rejects.toThrow(ConfigurationError);
      return;
    }
    const producer = await stage().producer({ compression });
    const values = Array.from({ length: 500 }, (_, i) => `${i} ${'value '.repeat(40)}`);
    const sent = values.map((value) => record({ topic, value: Buffer.from(value) }));
    expect(await producer.send(sent, 5_000)).toEqual(values.map(() => undefined));
    expect((await stage().read(topic, 500)).map(({ value }) => String(value))).toEqual(values);
  });

  it('keeps the order of a partition over many calls and batches', async () => {
    const topic = await stage().topic({ partitions: 3 });
    const producer = await stage().producer();
    const filling = Buffer.alloc(10_000);
    for (let call = 0; call < 4; call += 1) {
      const sent = Array.from({ length: 400 }, (_, i) =>
        record({
          topic,
          key: Buffer.from(`${i % 7}`),
          value: filling,
          headers: [['n', int(call * 400 + i)]],
        }),
      );
      expect((await producer.send(sent, 20_000)).filter((error) => error)).toEqual([]);
    }
    const seen = await stage().read(topic, 1_600);
    expect(seen).toHaveLength(1_600);
    for (let key = 0; key < 7; key += 1) {
      const numbers = seen.filter((one) => String(one.key) === `${key}`).map(number);
      expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
    }
  });

  it('places a key where the Java client does', async () => {
    const topic = await stage().topic({ partitions: 50 });
    const producer = await stage().producer();
    const keys = ['21', 'foobar', 'a-little-bit-long-string', 'a-little-bit-longer-string', 'abc'];
    const sent = keys.map((key) => record({ topic, key: Buffer.from(key), value: Buffer.from(key) }));
    expect(await producer.send(sent, 5_000)).toEqual(keys.map(() => undefined));
    // Of the Java client's own test, `UtilsTest.testMurmur2`.
    const hashes = [-973932308, -790332482, -985981536, -1486304829, 479470107];
    const seen = await stage().read(topic, keys.length);
    for (const [index, key] of keys.entries()) {
      const expected = (hashes[index]! & 0x7fffffff) % 50;
      expect(seen.find((one) => String(one.key) === key)?.partition).toBe(expected);
    }
  });

  it('puts a record where it says, and those without a key anywhere', async () => {
    const topic = await stage().topic({ partitions: 4 });
    const producer = await stage().producer();
    await producer.send(
      [record({ topic, partition: 2, key: Buffer.from('k'), value: Buffer.from('there') })],
      5_000,
    );
    expect((await stage().read(topic, 1))[0]).toMatchObject({ partition: 2 });
    const many = Array.from({ length: 400 }, () => record({ topic, value: Buffer.alloc(1_000) }));
    expect((await producer.send(many, 5_000)).filter((error) => error)).toEqual([]);
    expect(new Set((await stage().read(topic, 401)).map(({ partition }) => partition)).size).toBe(4);
  });

  it('fetches on from any offset, and tells the end', async () => {
    const topic = await stage().topic();
    const producer = await stage().producer();
    const client = await stage().client();
    await producer.send(
      Array.from({ length: 10 }, (_, i) => record({ topic, value: int(i) })),
      5_000,
    );
    const [middle] = await fetchOnce(client, [{ topic, partition: 0, offset: 7 }]);
    expect(middle!.records.map(({ offset }) => offset)).toEqual([7, 8, 9]);
    expect(middle).toMatchObject({ topic, partition: 0, next: 10, end: 10 });
    const [nothing] = await fetchOnce(client, [{ topic, partition: 0, offset: 10 }], { maxWait: 10 });
    expect(nothing).toMatchObject({ records: [], next: 10, end: 10 });
  });

  it('brings a record that is larger than the limits', async () => {
    const topic = await stage().topic();
    const producer = await stage().producer();
    await producer.send([record({ topic, value: Buffer.alloc(500_000) })], 5_000);
    const [fetched] = await fetchOnce(await stage().client(), [{ topic, partition: 0, offset: 0 }], {
      maxBytes: 1_000,
      maxBytesPerPartition: 1_000,
    });
    expect(fetched!.records[0]!.value).toHaveLength(500_000);
  });

  it('tells a failure of one partition in its answer, and the others fetch', async () => {
    const topic = await stage().topic({ partitions: 2 });
    const producer = await stage().producer();
    await producer.send([record({ topic, partition: 1, value: Buffer.from('here') })], 5_000);
    const fetched = await fetchOnce(await stage().client(), [
      { topic, partition: 0, offset: 99 },
      { topic, partition: 1, offset: 0 },
    ]);
    const [gone, good] = [0, 1].map((partition) => fetched.find((one) => one.partition === partition));
    expect(gone).toMatchObject({
      records: [],
      next: 99,
      error: { code: 'OFFSET_OUT_OF_RANGE', retryable: false },
    });
    expect(good!.error).toBeUndefined();
    expect(good!.records.map(({ value }) => String(value))).toEqual(['here']);
  });

  it('a fetch that waits answers as soon as something is produced', async () => {
    const topic = await stage().topic();
    const producer = await stage().producer();
    await producer.connect();
    const client = await stage().client();
    const fetching = fetchOnce(client, [{ topic, partition: 0, offset: 0 }], { maxWait: 8_000 });
    // The other requests of the client are answered meanwhile.
    expect(await client.offsets(topic, 'latest')).toEqual([0]);
    const start = Date.now();
    await producer.send([record({ topic, value: Buffer.from('now') })], 5_000);
    const [fetched] = await fetching;
    expect(String(fetched!.records[0]!.value)).toBe('now');
    expect(Date.now() - start).toBeLessThan(2_000);
  });

  it('a new topic that the producer knew to be missing is found', async () => {
    const producer = await stage().producer();
    const name = `${stage().mark}-1`;
    const [error] = await producer.send([record({ topic: name, value: Buffer.from('too soon') })], 2_000);
    expect(error).toMatchObject({ code: 'UNKNOWN_TOPIC_OR_PARTITION', retryable: true });
    const topic = await stage().topic({ name });
    expect(topic).toBeDefined();
    let answer;
    await until(async () => {
      [answer] = await producer.send([record({ topic: name, value: Buffer.from('now') })], 5_000);
      return answer === undefined;
    }, 'the new topic');
  });
});

function int(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function number(one: { readonly headers: readonly (readonly [string, Buffer | null])[] }): number {
  return one.headers[0]![1]!.readInt32BE();
}
