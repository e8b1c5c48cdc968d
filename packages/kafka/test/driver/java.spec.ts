import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { startKafka } from '../../../../scripts/brokers/kafka.mjs';
import { eventually, fetchOnce, onEachDriver, readAll, record, until } from './stage.js';

const codecs = ['gzip', 'snappy', 'lz4', 'zstd'] as const;
const values = Array.from({ length: 200 }, (_, i) => `${i} ${'from Java '.repeat(20)}`);
let broker: Awaited<ReturnType<typeof startKafka>>;

beforeAll(async () => {
  broker = await startKafka();
  const lines = values.map((value, i) => `${i}\t${value}\n`).join('');
  for (const codec of codecs) {
    await broker.control('kafka-topics', '--create', '--topic', codec);
    const settings = ['--compression-codec', codec, '--reader-property', 'parse.key=true'];
    const gathered = ['--command-property', 'linger.ms=200'];
    await broker.controlWith(lines, 'kafka-console-producer', '--topic', codec, ...settings, ...gathered);
  }
}, 120_000);

afterAll(() => broker?.remove());

onEachDriver('The Java client', (stage) => {
  it.each(codecs)('its batches compressed with %s are read', async (codec) => {
    const client = await stage().client({ brokers: [broker.url] });
    const seen = await readAll(client, codec, values.length);
    expect(seen.map(({ value }) => String(value))).toEqual(values);
    expect(seen.map(({ key }) => String(key))).toEqual(values.map((_, i) => `${i}`));
    const [fetched] = await fetchOnce(client, [{ topic: codec, partition: 0, offset: 57 }]);
    expect(fetched!.records[0]!.offset).toBe(57);
  });

  it.each(codecs)(
    'reads batches compressed with %s',
    async (compression) => {
      if (compression === 'zstd' && Number(process.versions.node.split('.')[0]) < 22) return;
      const topic = `${stage().mark}-${compression}`;
      const client = await stage().client({ brokers: [broker.url] });
      expect(await client.createTopics([{ name: topic, partitions: 1, replicas: 1, config: {} }])).toEqual([
        undefined,
      ]);
      const producer = await stage().producer({ brokers: [broker.url], compression });
      const sent = values.map((value) =>
        record({ topic, value: Buffer.from(value), headers: [['n', null]] }),
      );
      expect((await producer.send(sent, 10_000)).filter((error) => error)).toEqual([]);
      const settings = ['--from-beginning', '--max-messages', `${values.length}`, '--timeout-ms', '20000'];
      const output = await broker.control('kafka-console-consumer', '--topic', topic, ...settings);
      for (const value of values) expect(output).toContain(value);
    },
    30_000,
  );
});

onEachDriver('A broker that is killed and started again', (stage) => {
  it('serves producer, fetch and group as before', async () => {
    const topic = `${stage().mark}-again`;
    const lost: unknown[] = [];
    const through = { brokers: [broker.url], onDisconnect: (error: unknown) => lost.push(error) };
    const client = await stage().client(through);
    const producer = await stage().producer(through);
    expect(await client.createTopics([{ name: topic, partitions: 1, replicas: 1, config: {} }])).toEqual([
      undefined,
    ]);
    const send = async (value: string) =>
      (await producer.send([record({ topic, value: Buffer.from(value) })], 5_000))[0];
    const commit = () =>
      client.commit({ group: topic, memberId: '', generation: -1 }, [{ topic, partition: 0, offset: 1 }]);
    expect(await send('before')).toBeUndefined();
    await eventually(commit);
    await broker.kill();
    await until(() => lost.length > 1, 'the losses to be told');
    expect(await send('meanwhile')).toMatchObject({ retryable: true });
    await broker.start();
    await until(async () => (await send('after')) === undefined, 'a record to be sent');
    await eventually(commit);
    const seen = (await eventually(() => readAll(client, topic, 2))).map(({ value }) => String(value));
    expect(seen[0]).toBe('before');
    expect(seen).toContain('after');
  }, 90_000);
});
