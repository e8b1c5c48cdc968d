import { expect } from '@jest/globals';
import type { ITopicConfig } from 'kafkajs';
import { onEachDriver, ready, until, type Stage } from '../stage.js';

const error = (code: string, message: RegExp): object =>
  expect.objectContaining({ code, message: expect.stringMatching(message) });

/** The plain client waits for leaders, and gives up where the broker has not heard of the topic at all yet. */
async function create({ arrange, ask }: Stage, topic: ITopicConfig): Promise<void> {
  await arrange((admin) => admin.createTopics({ topics: [topic], waitForLeaders: false }));
  await until(
    async () =>
      (await ask((client) => client.leaders([topic.topic]))).get(topic.topic)?.every((leader) => leader >= 0),
    'its leaders',
  );
}

onEachDriver('Topics', (test) => {
  test('that exist are used as they are, with their own partitions', async (stage) => {
    const { open, read, mark } = stage;
    const topic = `${mark}.a`;
    await create(stage, { topic, numPartitions: 5 });
    const application = await open({ partitions: 2, topicConfig: { 'retention.ms': '60000' } });
    const probe = await application.subscribe('a', undefined, { maxUnsettled: 100 });
    await Promise.all(
      Array.from({ length: 50 }, (_, n) => application.publish('a', `${n}`, { key: `${n}` })),
    );
    await until(() => probe.seen.length === 50, 'all');
    expect(new Set((await read(topic)).map(({ partition }) => partition)).size).toBe(5);
    expect(application.warnings).toEqual([]);
  });

  test('whose names differ in `.` and `_` alone are refused before the broker has both', async ({
    open,
    arrange,
    mark,
  }) => {
    const application = await open();
    await application.publish('order_placed');
    const refusal = error('TOPOLOGY', /order\.placed.*order_placed.* cannot coexist/);
    await expect(application.publish('order.placed')).rejects.toEqual(refusal);
    await expect(application.subscribe('order.placed')).rejects.toEqual(refusal);
    // Another application does not know of the first one's, and the broker says it.
    const other = await open();
    await expect(other.publish('order.placed')).rejects.toEqual(
      error('TOPOLOGY', /order\.placed.*'\.' and '_' cannot coexist/),
    );
    await application.publish('order_placed');
    const topics = await arrange((admin) => admin.listTopics());
    expect(topics).not.toContain(`${mark}.order.placed`);
  });

  test('with more replicas than brokers are refused, with what to change', async ({ open }) => {
    const application = await open({ replicas: 3 });
    const refusal = error('TOPOLOGY', /as many replicas: .*; see kafka\.replicas/);
    await expect(application.subscribe('a')).rejects.toEqual(refusal);
    await expect(application.publish('b')).rejects.toEqual(refusal);
    expect(await ready(application)).toBe(true);
  });

  test('with settings that the broker does not know are refused, with what to change', async ({ open }) => {
    const application = await open({ topicConfig: { 'retention.msec': '1' } });
    await expect(application.publish('a')).rejects.toEqual(
      error('TOPOLOGY', /topic '.*\.a'.*retention\.msec/),
    );
  });

  test('that are missing are told where the module may not create them, and used once they are there', async ({
    open,
    arrange,
    mark,
  }) => {
    for (const topology of ['validate', 'none'] as const) {
      const application = await open({}, { topology });
      await expect(application.publish('a')).rejects.toEqual(
        error('PUBLISH_REJECTED', /topic '.*\.a' does not exist/),
      );
      await expect(application.subscribe('a')).rejects.toEqual(error('TOPOLOGY', /does not exist/));
    }
    expect((await arrange((admin) => admin.listTopics())).filter((topic) => topic.startsWith(mark))).toEqual(
      [],
    );
    const creating = await open();
    const first = await creating.subscribe('a');
    await first.stop();
    const validating = await open({}, { topology: 'validate' });
    const probe = await validating.subscribe('a');
    await validating.publish('a', 'here');
    await until(() => probe.texts.includes('here'), 'the message');
  });

  test('refuse what is too large, and the rest goes on', async (stage) => {
    const { open, mark } = stage;
    const application = await open();
    await expect(application.publish('a', 'x'.repeat(1_000_001))).rejects.toEqual(
      error('MESSAGE_TOO_LARGE', /1000001 bytes: at most 1000000 .*kafka\.maxBodySize/),
    );
    // The module allows more than this topic does.
    const topic = `${mark}.small`;
    const configEntries = [{ name: 'max.message.bytes', value: '2000' }];
    await create(stage, { topic, configEntries });
    const results = await Promise.allSettled([
      application.publish('small', 'fits'),
      application.publish('small', 'x'.repeat(5_000)),
      application.publish('small', 'fits, too'),
      application.publish('a', 'elsewhere'),
    ]);
    expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled', 'fulfilled']);
    expect((results[1] as PromiseRejectedResult).reason).toEqual(
      error('MESSAGE_TOO_LARGE', /larger than topic '.*\.small' takes/),
    );
  });
});
