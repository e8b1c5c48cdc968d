import { afterAll, beforeAll, expect } from '@jest/globals';
import { ConfigResourceTypes, type Admin } from 'kafkajs';
import { startKafka } from '../../../../scripts/brokers/kafka.mjs';
import { canJoin, join, type Broker } from '../second-node.js';
import { onEachDriver, ready, until } from '../stage.js';

let one: Broker;
/** Undefined where nodes run in containers, of which none reaches the other's controller. */
let two: Broker | undefined;

const inSync = async (admin: Admin, topic: string): Promise<number> => {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics[0]!.partitions[0]!.isr.length;
};

/** What is asked of a topic that has nothing to wait for. In milliseconds. */
const PROMPT = 2_000;

onEachDriver(
  'When one of two nodes is gone',
  (test) => {
    // Anew for each driver: when a node comes back that missed the end of a topic, the controller of Kafka 4.3 fails
    // ("existed in isrMembers, but not in the topics map").
    beforeAll(async () => {
      one = await startKafka();
      if (!canJoin(one)) return;
      two = await startKafka();
      await join(two, one);
    }, 240_000);
    afterAll(() => Promise.all([one?.remove(), two?.remove()]));

    test('what it led waits for the other one, what wants both of them waits for them, and nothing else waits', async ({
      open,
      arrange,
      read,
      mark,
    }) => {
      if (!two) return;
      const topic = (name: string, replicas: number[], minInSync = 1) => ({
        topic: `${mark}.${name}`,
        numPartitions: -1,
        replicationFactor: -1,
        replicaAssignment: [{ partition: 0, replicas }],
        configEntries: [{ name: 'min.insync.replicas', value: `${minInSync}` }],
      });
      const topics = [topic('plain', [1]), topic('led', [2, 1]), topic('safe', [1, 2], 2)];
      await arrange((admin) => admin.createTopics({ topics, waitForLeaders: true }));
      const application = await open();
      const { publish, transport } = application;
      const prompt = async (body: string): Promise<void> => {
        const start = Date.now();
        await publish('plain', body);
        expect(Date.now() - start).toBeLessThan(PROMPT);
      };
      for (const name of ['plain', 'led', 'safe']) await publish(name, 'before');

      await two.kill();
      const led = [publish('led', '1'), publish('led', '2')];
      await prompt('1');
      await prompt('2');
      await Promise.all(led);

      await until(
        () => arrange(async (admin) => (await inSync(admin, `${mark}.safe`)) === 1),
        'the replica to be missed',
      );
      let resolved = 0;
      const safe = ['1', '2'].map((body) => publish('safe', body).then(() => resolved++));
      await prompt('3');
      await expect(publish('safe', 'x', { signal: AbortSignal.timeout(500) })).rejects.toMatchObject({
        name: 'TimeoutError',
      });
      await until(async () => !(await ready(application)), 'health to see it');
      expect((await transport.health()).parts[0]!.reason).toMatch(
        new RegExp(`^Kafka takes nothing in partition 0 of '${mark}.safe': NOT_ENOUGH_REPLICAS`),
      );
      await prompt('4');
      expect(resolved).toBe(0);

      const configEntries = [{ name: 'min.insync.replicas', value: '1' }];
      const change = { type: ConfigResourceTypes.TOPIC, name: `${mark}.safe`, configEntries };
      await arrange((admin) => admin.alterConfigs({ validateOnly: false, resources: [change] }));
      await Promise.all(safe);
      await until(() => ready(application), 'health');
      const logs = await Promise.all(
        topics.map(async (one) => (await read(one.topic)).map(({ value }) => String(value))),
      );
      expect(logs).toEqual([
        ['before', '1', '2', '3', '4'],
        ['before', '1', '2'],
        ['before', '1', '2'],
      ]);
    });
  },
  { brokers: () => one.url, apart: true },
);
