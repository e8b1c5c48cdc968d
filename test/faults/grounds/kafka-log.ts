import { randomBytes } from 'node:crypto';
import { ConfigResourceTypes, Kafka, type Admin, logLevel } from 'kafkajs';
import { startKafka } from '../../../scripts/brokers/kafka.mjs';
import { PRODUCE, startProxy } from '../../../packages/kafka/test/driver/proxy.js';
import { join } from '../../../packages/kafka/test/second-node.js';
import { subscriptionNames, topicName } from '../../../packages/kafka/src/topology.js';
import { administrate, plainKafka } from '../../support/kafka.js';
import type { BrokerConfig } from '../application.js';
import type { Log, Pair } from '../log.js';

/** @param config applications' way to brokers */
export const logOf = (config: (brokers: string | readonly string[]) => BrokerConfig, url: string): Log => ({
  names: (namespace, subscription) => ({
    topic: topicName({ namespace }, subscription.source),
    group: subscriptionNames({ namespace }, subscription).group,
  }),
  addPartitions: async (topic, count) =>
    void (await administrate((admin) => admin.createPartitions({ topicPartitions: [{ topic, count }] }))),
  ends: async (topic) => (await offsets(topic)).map(({ high }) => high),
  ids,
  async shorten(topic, left) {
    await administrate(async (admin) => {
      // kafkajs deletes only where it has looked before.
      const partitions = (await offsetsBy(admin, topic)).map(({ partition, low, high }) => ({
        partition,
        offset: `${Math.max(low, high - left)}`,
      }));
      await admin.deleteTopicRecords({ topic, partitions });
    });
  },
  forget: async (group) => void (await administrate((admin) => admin.deleteGroups([group]))),
  async trap() {
    const proxy = await startProxy(url);
    return {
      broker: config(proxy.broker),
      swallow: () => proxy.swallow(PRODUCE),
      close: () => proxy.close(),
    };
  },
  pair: () => startPair(config),
});

/** Changes settings of a topic; the others are as its broker has them. */
export const configure = (
  topic: string,
  settings: Readonly<Record<string, string>>,
  through: typeof administrate = administrate,
): Promise<void> =>
  through(async (admin) => {
    const configEntries = Object.entries(settings).map(([name, value]) => ({ name, value }));
    const resources = [{ type: ConfigResourceTypes.TOPIC, name: topic, configEntries }];
    await admin.alterConfigs({ validateOnly: false, resources });
  });

const offsets = (topic: string): ReturnType<typeof offsetsBy> =>
  administrate((admin) => offsetsBy(admin, topic));

async function offsetsBy(
  admin: Admin,
  topic: string,
): Promise<{ partition: number; low: number; high: number }[]> {
  const found = await admin.fetchTopicOffsets(topic);
  return found
    .map(({ partition, low, high }) => ({ partition, low: Number(low), high: Number(high) }))
    .sort((a, b) => a.partition - b.partition);
}

/** Reads a topic to its end as it is now, as a consumer that knows nothing of the module. */
async function ids(topic: string): Promise<Set<string>> {
  const found = new Set<string>();
  const left = new Map(
    (await offsets(topic))
      .filter(({ low, high }) => low < high)
      .map(({ partition, high }) => [partition, high]),
  );
  if (left.size === 0) return found;
  const consumer = plainKafka().consumer({ groupId: `reader-${randomBytes(4).toString('hex')}` });
  await consumer.connect();
  try {
    await consumer.subscribe({ topic, fromBeginning: true });
    await new Promise<void>((resolve, reject) => {
      const config: Parameters<typeof consumer.run>[0] = {
        eachMessage: async ({ partition, message: { offset, headers } }) => {
          found.add(String(headers?.['ce_id']));
          if (Number(offset) + 1 >= (left.get(partition) ?? 0)) left.delete(partition);
          if (left.size === 0) resolve();
        },
      };
      consumer.run(config).catch(reject);
    });
  } finally {
    await consumer.disconnect();
  }
  return found;
}

async function startPair(config: (brokers: string | readonly string[]) => BrokerConfig): Promise<Pair> {
  // Each node goes on alone with all that both have.
  const both = ['default.replication.factor=2', 'offsets.topic.replication.factor=2'].join('\n');
  const first = await startKafka({ config: both });
  const second = await startKafka({ config: both });
  await join(second, first);
  const admin = new Kafka({ clientId: 'plain', brokers: [first.url], logLevel: logLevel.NOTHING }).admin();
  return {
    broker: config([first.url, second.url]),
    async wantsBoth(topic) {
      await admin.connect();
      await configure(topic, { 'min.insync.replicas': '2' }, (act) => act(admin));
      await admin.disconnect();
    },
    kill: second.kill,
    restart: second.start,
    async remove() {
      await second.remove();
      await first.remove();
    },
  };
}
