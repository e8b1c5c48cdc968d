import { randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { installPackage } from '../../../../scripts/brokers/apt.mjs';
import { startKafka } from '../../../../scripts/brokers/kafka.mjs';
import { run } from '../../../../scripts/brokers/run.mjs';
import { describeHere } from '../../../../test/support/describe-here.js';
import { kafkaBrokers } from '../../../../test/support/kafka.js';
import { acknowledge, deadLetter, onEachDriver, onStage, retry, until } from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

onEachDriver('A client that has never heard of the module', (test) => {
  test('writes plain JSON to the topic, and it is handled', async ({ open, write, mark }) => {
    const probe = await (await open()).subscribe('order.placed');
    await write(`${mark}.order.placed`, { value: '{"total":5}' });
    await until(() => probe.seen.length === 1, 'the message');
    const { message, attempt } = probe.seen[0]!;
    expect(probe.texts).toEqual(['{"total":5}']);
    expect(attempt).toBe(1);
    expect(message).toMatchObject({
      destination: { kind: 'topic', name: 'order.placed' },
      contentType: 'application/json',
      headers: {},
    });
    expect(message.id).toMatch(new RegExp(`^${mark}\\.order\\.placed/\\d+/0$`));
  });

  test('reads a published message’s value as plain JSON, its key, and CloudEvents’ headers', async ({
    open,
    read,
    mark,
  }) => {
    const application = await open();
    await application.publish('order.placed', '{"total":5}', { key: 'k', headers: { colour: 'red' } });
    const [record] = await read(`${mark}.order.placed`);
    expect(JSON.parse(record!.value!.toString())).toEqual({ total: 5 });
    expect(record!.key!.toString()).toBe('k');
    const headers = Object.fromEntries(record!.headers.map(([name, value]) => [name, value?.toString()]));
    expect(headers).toMatchObject({
      colour: 'red',
      'content-type': 'application/json',
      ce_specversion: '1.0',
      ce_type: 'order.placed',
      ce_source: '/test',
      ce_partitionkey: 'k',
    });
    expect(Object.keys(headers).some((name) => name.startsWith('nm-'))).toBe(false);
  });

  test('has its record retried, dead-lettered and redriven byte for byte, headers, key and all', async ({
    open,
    write,
    mark,
  }) => {
    const application = await open();
    let redriven = false;
    const probe = await application.subscribe('order.#', ({ attempt }) =>
      redriven ? acknowledge : attempt < 3 ? retry(attempt * 150) : deadLetter(3),
    );
    await application.publish('order.placed', '"first"');
    await until(() => probe.texts.filter((text) => text === '"first"').length === 3, 'the topic to be found');
    const value = Buffer.from([0xef, 0xbb, 0xbf, 0x00, 0xff]);
    const key = Buffer.from([0xff, 0x00]);
    await write(`${mark}.order.placed`, {
      key,
      value,
      headers: { colour: ['red', 'blue'], binary: Buffer.from([0, 255]), empty: '' },
    });
    const own = (): typeof probe.seen => probe.seen.filter(({ text }) => text !== '"first"');
    await until(() => own().length === 3, 'three attempts');
    await until(
      async () => (await listed(application.transport.deadLetters, probe.subscription, 9)).length === 2,
      'both',
    );
    redriven = true;
    expect(await application.transport.deadLetters.redrive(probe.subscription)).toBe(2);
    await until(() => own().length === 4, 'it again');
    expect(own().map(({ attempt }) => attempt)).toEqual([1, 2, 3, 1]);
    const [first, ...copies] = own().map(({ message }) => message);
    for (const copy of copies) expect(copy).toEqual(first);
    expect(first!.destination.name).toBe('order.placed');
    expect(first!.headers).toMatchObject({ colour: 'blue', empty: '' });
  });

  test('sees retried messages only where they failed', async ({ open, read, mark }) => {
    const application = await open();
    const other = await application.subscribe('order.placed', undefined, { group: 'other' });
    const probe = await application.subscribe('order.placed', ({ attempt }) =>
      attempt < 4 ? retry(100) : acknowledge,
    );
    await application.publish('order.placed');
    await until(() => probe.seen.length === 4, 'four attempts');
    expect(await read(`${mark}.order.placed`)).toHaveLength(1);
    expect(other.seen).toHaveLength(1);
  });
});

describe('The Java client', () => {
  let broker: Awaited<ReturnType<typeof startKafka>>;
  beforeAll(async () => {
    broker = await startKafka();
  }, 120_000);
  afterAll(() => broker?.remove());

  const keys = Array.from({ length: 60 }, (_, at) => `key-${at}-${'ü'.repeat(at % 5)}`);

  onEachDriver(
    'and the module',
    (test) => {
      test('put the same key into the same partition, and each reads the other', async ({
        open,
        read,
        mark,
      }) => {
        const application = await open({ partitions: 7 });
        const probe = await application.subscribe('order.placed', undefined, { maxUnsettled: 100 });
        const topic = `${mark}.order.placed`;
        await Promise.all(keys.map((key) => application.publish('order.placed', `"${key}"`, { key })));
        await broker.controlWith(
          keys.map((key) => `${key}|{"java":"${key}"}\n`).join(''),
          'kafka-console-producer',
          '--topic',
          topic,
          '--reader-property',
          'parse.key=true',
          '--reader-property',
          'key.separator=|',
        );
        await until(() => probe.seen.length === 2 * keys.length, 'all');
        const records = await read(topic);
        const partitionOf = (java: boolean): Map<string, number> =>
          new Map(
            records
              .filter(({ value }) => value!.toString().startsWith('{') === java)
              .map(({ key, partition }) => [key!.toString(), partition]),
          );
        expect(partitionOf(true).size).toBe(keys.length);
        expect(partitionOf(false)).toEqual(partitionOf(true));
        expect(new Set(partitionOf(true).values()).size).toBe(7);
        expect(probe.texts).toContain(`{"java":"${keys[9]}"}`);
        const output = await broker.control(
          'kafka-console-consumer',
          '--topic',
          topic,
          '--from-beginning',
          '--max-messages',
          `${2 * keys.length}`,
          '--timeout-ms',
          '20000',
          '--formatter-property',
          'print.key=true',
        );
        for (const key of keys) expect(output).toContain(`${key}\t"${key}"`);
      });
    },
    { brokers: () => broker.url },
  );
});

/** Where it cannot be installed the plain client above stands for it. */
const withoutKcat = (await run('kcat', ['-V'])).ok ? undefined : await installPackage('kcat', [], () => {});

describeHere('kcat', withoutKcat, () => {
  it('writes plain JSON that is handled, and reads what is published', async () => {
    await onStage('kafkajs', kafkaBrokers(), async ({ open, mark }) => {
      const application = await open();
      const probe = await application.subscribe('order.placed');
      const to = ['-b', kafkaBrokers(), '-t', `${mark}.order.placed`];
      const text = `{"word":"${randomBytes(4).toString('hex')}"}`;
      const wrote = await run('kcat', ['-P', ...to, '-K', '|', '-H', 'colour=red'], {
        timeout: 20_000,
        input: `key|${text}\n`,
      });
      expect(wrote).toMatchObject({ ok: true });
      await until(() => probe.seen.length === 1, 'the message');
      expect(probe.texts).toEqual([text]);
      expect(probe.seen[0]!.message).toMatchObject({ key: 'key', headers: { colour: 'red' } });
      await application.publish('order.placed', '{"from":"the module"}', { key: 'key' });
      const { output } = await run('kcat', ['-C', ...to, '-e', '-q', '-f', '%p %k %s\\n'], {
        timeout: 20_000,
      });
      const lines = output.trim().split('\n');
      expect(lines.map((line) => line.slice(2))).toEqual([`key ${text}`, 'key {"from":"the module"}']);
      // librdkafka's own default partitioner is another (CRC32), unless it is told to do as the Java client.
    });
  });
});
