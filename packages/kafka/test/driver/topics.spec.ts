import { expect, it } from '@jest/globals';
import { askBroker } from './foreign.js';
import { eventually, failure, fetchOnce, onEachDriver, record, until } from './stage.js';

onEachDriver('Topics and offsets', (stage) => {
  it('are created once, and can be produced to at once', async () => {
    const name = await stage().topic({ partitions: 3, config: { 'retention.ms': '-1' } });
    const client = await stage().client();
    const producer = await stage().producer();
    expect(await producer.send([record({ topic: name, value: Buffer.from('x') })], 5_000)).toEqual([
      undefined,
    ]);
    const again = { name, partitions: 5, replicas: -1, config: {} };
    expect(await client.createTopics([again])).toEqual([undefined]);
    expect((await client.leaders([name])).get(name)).toHaveLength(3);
    expect(await client.topics()).toContain(name);
    expect(await client.createTopics([])).toEqual([]);
  });

  it('are refused each by itself, with the broker’s reason', async () => {
    const client = await stage().client();
    const name = `${stage().mark}-good`;
    const outcomes = await client.createTopics([
      { name: `${stage().mark}-bad`, partitions: 1, replicas: 1, config: { 'no.such.setting': '1' } },
      { name, partitions: 1, replicas: 1, config: {} },
      { name: `${stage().mark}-many`, partitions: 1, replicas: 99, config: {} },
      { name: 'no/such/name', partitions: 1, replicas: 1, config: {} },
    ]);
    stage().after(() => askBroker((broker) => broker.deleteTopics({ topics: [name] })));
    expect(outcomes.map((error) => error?.code)).toEqual([
      'INVALID_CONFIG',
      undefined,
      'INVALID_REPLICATION_FACTOR',
      'INVALID_TOPIC_EXCEPTION',
    ]);
    expect(outcomes[0]!.message).toContain('no.such.setting');
    expect(outcomes[0]!.retryable).toBe(false);
    expect(await client.topics()).toContain(name);
  });

  it('leaders are fresh, and only of topics that exist; asking creates none', async () => {
    const client = await stage().client();
    const topic = await stage().topic();
    const other = `${stage().mark}-missing`;
    expect([...(await client.leaders([topic, other])).keys()]).toEqual([topic]);
    await askBroker((broker) => broker.createPartitions({ topicPartitions: [{ topic, count: 4 }] }));
    await until(async () => (await client.leaders([topic])).get(topic)!.length === 4, 'the new partitions');
    for (const leader of (await client.leaders([topic])).get(topic)!)
      expect(leader).toBeGreaterThanOrEqual(0);
    expect(await client.leaders([])).toEqual(new Map());
    expect(await client.leaders([other])).toEqual(new Map());
    expect(await client.topics()).not.toContain(other);
  });

  it('a producer finds partitions that were added', async () => {
    const topic = await stage().topic();
    const producer = await stage().producer();
    await producer.send([record({ topic, value: Buffer.from('x') })], 5_000);
    await askBroker((broker) => broker.createPartitions({ topicPartitions: [{ topic, count: 2 }] }));
    await until(async () => {
      const [error] = await producer.send([record({ topic, partition: 1, value: Buffer.from('y') })], 5_000);
      return error === undefined;
    }, 'the new partition');
  });

  it('offsets are the first, the end, and the first from a time on', async () => {
    const topic = await stage().topic({ partitions: 2 });
    const producer = await stage().producer();
    const client = await stage().client();
    expect(await client.offsets(topic, 'earliest')).toEqual([0, 0]);
    expect(await client.offsets(topic, 'latest')).toEqual([0, 0]);
    expect(await client.offsets(topic, 0)).toEqual([0, 0]);
    const put = (value: string) =>
      producer.send([record({ topic, partition: 0, value: Buffer.from(value) })], 5_000);
    await put('first');
    const first = Date.now();
    await until(() => Date.now() > first + 5, 'the clock');
    await put('second');
    await put('third');
    expect(await client.offsets(topic, 'latest')).toEqual([3, 0]);
    const [second] = (await stage().read(topic, 3)).slice(1);
    expect(await client.offsets(topic, second!.timestamp)).toEqual([1, 0]);
    expect(await client.offsets(topic, Date.now() + 60_000)).toEqual([3, 0]);
    expect(await failure(client.offsets(`${topic}-missing`, 'latest'))).toMatchObject({
      code: 'UNKNOWN_TOPIC_OR_PARTITION',
    });
  });

  it('settings are told with the broker’s defaults, of those topics that exist', async () => {
    const client = await stage().client();
    const topic = await stage().topic({ config: { 'retention.ms': '12345' } });
    const settings = await client.settings(
      [topic, `${stage().mark}-missing`],
      ['retention.ms', 'cleanup.policy'],
    );
    expect(settings).toEqual(new Map([[topic, { 'retention.ms': '12345', 'cleanup.policy': 'delete' }]]));
    expect(await client.settings([], ['retention.ms'])).toEqual(new Map());
  });

  it('records are deleted, and what is gone already is no error', async () => {
    const topic = await stage().topic({ partitions: 2 });
    const producer = await stage().producer();
    const client = await stage().client();
    const values = Array.from({ length: 5 }, (_, i) =>
      record({ topic, partition: 1, value: Buffer.from(`${i}`) }),
    );
    await producer.send(values, 5_000);
    await client.deleteRecords([{ topic, partition: 1, offset: 3 }]);
    await client.deleteRecords([
      { topic, partition: 1, offset: 2 },
      { topic, partition: 0, offset: 0 },
    ]);
    expect(await client.offsets(topic, 'earliest')).toEqual([0, 3]);
    const [gone] = await fetchOnce(client, [{ topic, partition: 1, offset: 0 }]);
    expect(gone!.error).toMatchObject({ code: 'OFFSET_OUT_OF_RANGE' });
    expect(await failure(client.deleteRecords([{ topic, partition: 1, offset: 99 }]))).toMatchObject({
      code: 'OFFSET_OUT_OF_RANGE',
    });
  });

  it('a broker answers', async () => {
    await (await stage().client()).ping();
  });

  it('a broker tells which versions of each request it speaks', async () => {
    const [PRODUCE, FETCH] = [0, 1];
    const spoken = await (await stage().client()).versions();
    for (const request of [PRODUCE, FETCH])
      expect(spoken.get(request)!.maxVersion).toBeGreaterThan(spoken.get(request)!.minVersion);
  });

  it('a batch that compaction has emptied is passed over', async () => {
    const topic = await stage().topic({
      config: {
        'cleanup.policy': 'compact',
        'min.cleanable.dirty.ratio': '0.01',
        'segment.ms': '100',
        'min.compaction.lag.ms': '0',
        'delete.retention.ms': '0',
      },
    });
    const producer = await stage().producer();
    const client = await stage().client();
    const put = async (value: string | null, key = 'k') => {
      const [error] = await producer.send(
        [record({ topic, key: Buffer.from(key), value: value === null ? null : Buffer.from(value) })],
        5_000,
      );
      expect(error).toBeUndefined();
    };
    await put('1');
    await put('2');
    await put('3');
    await until(
      async () => {
        // Each writes a new segment, as the old one is older than `segment.ms` by then; only old ones are cleaned.
        await put('again');
        const [fetched] = await eventually(() => fetchOnce(client, [{ topic, partition: 0, offset: 0 }]));
        return fetched!.records[0]!.offset > 0;
      },
      'the cleaner',
      40_000,
    );
    const seen: number[] = [];
    for (let next = 0, end = 1; next < end;) {
      const [fetched] = await fetchOnce(client, [{ topic, partition: 0, offset: next }], {
        maxBytes: 1,
        maxBytesPerPartition: 1,
      });
      expect(fetched!.next).toBeGreaterThan(next);
      seen.push(...fetched!.records.map(({ offset }) => offset));
      ({ next, end } = fetched!);
    }
    expect(seen).toEqual([...seen].sort((a, b) => a - b));
  }, 60_000);
});
