import { randomBytes } from 'node:crypto';
import { kafka } from '@nest-messaging/kafka';
import type { TestBroker, Used } from '@nest-messaging/testing/conformance';
import { Kafka, logLevel, type Admin } from 'kafkajs';
import { delayNames, subscriptionNames, topicName } from '../../packages/kafka/src/topology.js';
import { startProxy } from '../../packages/kafka/test/proxy.js';
import { kafkaBrokers } from '../support/kafka.js';

/**
 * A run's own namespace. Each guarantee has a service of its own in it: those that wait run together, and as one service
 * they would be one group of dozens that come and go.
 */
const environment = { namespace: `c${randomBytes(4).toString('hex')}` };

/** A plain Kafka client, which has never heard of the module. */
const plain = new Kafka({
  clientId: 'plain',
  brokers: kafkaBrokers().split(','),
  logLevel: logLevel.NOTHING,
});

/** Kafka behind a proxy that can be cut. */
export async function kafkaUnderTest(driver: 'kafkajs' | 'platformatic'): Promise<TestBroker> {
  const proxy = await startProxy(kafkaBrokers());
  const options = {
    driver,
    // As many as show what several partitions do to order and sharing.
    partitions: 3,
    sessionTimeout: '6s',
    discovery: '300ms',
  } as const;
  return {
    broker: kafka({ brokers: [proxy.address], ...options }),
    environment,
    stall: () => proxy.away(),
    away: () => proxy.away(),
    cut: async () => proxy.cut(),
    vanish: ({ source }, owner) =>
      administrate((admin) => admin.deleteTopics({ topics: [topicName(owner, source)] })),
    async foreign(destination, body, headers) {
      const producer = plain.producer();
      await producer.connect();
      await producer.send({
        topic: topicName(environment, destination),
        messages: [{ value: Buffer.from(body), headers: { ...headers } }],
      });
      await producer.disconnect();
    },
    async listen(name, onBody) {
      const topic = topicName(environment, { kind: 'topic', name });
      const ends = await administrate(async (admin) => {
        await admin.createTopics({ topics: [{ topic, numPartitions: 3 }], waitForLeaders: false });
        return endsOf(admin, topic);
      });
      const consumer = plain.consumer({
        groupId: `${topic}-plain-${randomBytes(4).toString('hex')}`,
        maxWaitTimeInMs: 100,
      });
      await consumer.connect();
      await consumer.subscribe({ topic });
      await consumer.run({ eachMessage: async ({ message }) => onBody(message.value!) });
      for (const { partition, high } of ends) consumer.seek({ topic, partition, offset: high });
      return () => consumer.disconnect();
    },
    made: (names) =>
      administrate(async (admin) => {
        const { groups } = await admin.listGroups();
        return [
          ...(await admin.listTopics()).map((name) => ({ kind: 'topic', name })),
          ...groups.map(({ groupId }) => ({ kind: 'consumer group', name: groupId })),
        ].filter((one) => names.some((name) => one.name.includes(name)));
      }),
    unreachable: {
      broker: kafka.fromUrl(`kafka://someone:s3cret@127.0.0.1:1?driver=${driver}`),
      address: '127.0.0.1:1',
      secret: 's3cret',
    },
    async cleanup(used) {
      await administrate((admin) => remove(admin, used));
      await proxy.close();
    },
  };
}

/** A new topic is not known everywhere at once; kafkajs gives up on that at the first answer. */
async function endsOf(admin: Admin, topic: string): ReturnType<Admin['fetchTopicOffsets']> {
  for (let tries = 1; ; tries++) {
    try {
      return await admin.fetchTopicOffsets(topic);
    } catch (error) {
      if (tries === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

async function administrate<T>(run: (admin: Admin) => Promise<T>): Promise<T> {
  const admin = plain.admin();
  await admin.connect();
  try {
    return await run(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Deletes what one guarantee made. */
async function remove(admin: Admin, used: readonly Used[]): Promise<void> {
  const topics = new Set<string>();
  for (const { environment: owner, subscriptions, destinations } of used) {
    for (const destination of destinations) topics.add(topicName(owner, destination));
    for (const subscription of subscriptions) {
      const { retry, dead } = subscriptionNames(owner, subscription);
      for (const name of [topicName(owner, subscription.source), retry, dead]) topics.add(name);
      for (const name of delayNames(owner, subscription.group).levels) topics.add(name);
    }
    for (const name of delayNames(owner, owner.service).levels) topics.add(name);
  }
  const existing = await admin.listTopics();
  const mine = existing.filter((topic) => topics.has(topic));
  if (mine.length > 0) await admin.deleteTopics({ topics: mine });
}
