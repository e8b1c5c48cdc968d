import { afterAll, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { connect, type Channel } from 'amqplib';
import { awsOptions, countInSqs, publishToSns, removeNamespace as removeFromAws } from '../support/aws.js';
import { describeHere } from '../support/describe-here.js';
import {
  administrate,
  kafkaBrokers,
  kafkaDrivers,
  removeNamespace as removeFromKafka,
  writeRecord,
} from '../support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../support/rabbitmq.js';
import { startConsumer, type Consumer } from './consumer-process.js';

interface Tried {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing?: string | undefined;
  /** What tells the application where its broker is. */
  env(): Record<string, string>;
  /** Publishes `order.placed`, as one who has never heard of the module. */
  publish(namespace: string, id: string): Promise<void>;
  /** How many messages the broker still keeps for the application. */
  left(namespace: string): Promise<number>;
  removeAll(namespace: string): Promise<void>;
}

async function withChannel<T>(act: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(rabbitmqUrl());
  try {
    return await act(await connection.createChannel());
  } finally {
    await connection.close();
  }
}

const brokers: readonly Tried[] = [
  {
    name: 'RabbitMQ',
    env: () => ({ BROKER_URL: rabbitmqUrl() }),
    publish: (namespace, messageId) =>
      withChannel(async (channel) => {
        channel.publish(namespace, 'order.placed', Buffer.from('{"id":1}'), { messageId });
        await channel.close();
      }),
    left: (namespace) =>
      withChannel(
        async (channel) => (await channel.checkQueue(`${namespace}.billing.order.placed`)).messageCount,
      ),
    removeAll: (namespace) =>
      removeFromRabbitmq(namespace, { services: ['billing'], subscriptions: ['billing.order.placed'] }),
  },
  ...kafkaDrivers.map(({ name: driver, missing }) => ({
    name: `Kafka with ${driver}`,
    missing,
    // The broker knows of a killed process by its silence alone; this is as short as it allows.
    env: () => ({
      BROKER: 'kafka',
      BROKER_OPTIONS: JSON.stringify({
        brokers: kafkaBrokers().split(','),
        driver,
        sessionTimeout: '6s',
      }),
    }),
    publish: (namespace: string, id: string) =>
      writeRecord(`${namespace}.order.placed`, { id: 1 }, { ce_id: id }),
    left: (namespace: string) =>
      administrate(async (admin) => {
        const topic = `${namespace}.order.placed`;
        const ends = await admin.fetchTopicOffsets(topic);
        const groupId = `${namespace}.billing.order.placed`;
        const [positions] = await admin.fetchOffsets({ groupId, topics: [topic] });
        const sum = (offsets: readonly string[]): number =>
          offsets.reduce((all, one) => all + Number(one), 0);
        return sum(ends.map(({ offset }) => offset)) - sum(positions!.partitions.map(({ offset }) => offset));
      }),
    removeAll: removeFromKafka,
  })),
  {
    name: 'AWS',
    // The message stays with a killed process until then.
    env: () => ({
      BROKER: 'aws',
      BROKER_OPTIONS: JSON.stringify({ ...awsOptions(), visibilityTimeout: '6s' }),
    }),
    publish: (namespace, id) =>
      publishToSns(namespace, 'order.placed', { id: 1 }, { ce: JSON.stringify({ id }) }),
    left: (namespace) => countInSqs(namespace, 'billing.order.placed'),
    removeAll: removeFromAws,
  },
];

function survivesKilling({ env, publish, left, removeAll }: Tried): void {
  const namespace = `killed-${randomBytes(4).toString('hex')}`;
  const running: Consumer[] = [];

  afterAll(async () => {
    for (const { child } of running) child.kill('SIGKILL');
    await removeAll(namespace);
  });

  const run = (more: Record<string, string>): Consumer => {
    const consumer = startConsumer({ NAMESPACE: namespace, ...env(), ...more });
    running.push(consumer);
    return consumer;
  };

  it('loses nothing: another one gets it, and no attempt is used up', async () => {
    const first = run({ HANG: 'yes' });
    await first.said('ready');
    await publish(namespace, 'm1');
    await first.said('handling m1, attempt 1');
    first.child.kill('SIGKILL');
    expect(await once(first.child, 'exit')).toEqual([null, 'SIGKILL']);
    const second = run({});
    await second.said('handling m1, attempt 1');
    // Only then does the process end in order on SIGTERM.
    await second.said('ready');
    second.child.kill('SIGTERM');
    await once(second.child, 'exit');
    // A quorum queue carries out an acknowledgement a little after it was sent.
    while ((await left(namespace)) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }, 60_000);
}

for (const tried of brokers)
  describeHere(`a process that is killed while it handles a message, on ${tried.name}`, tried.missing, () =>
    survivesKilling(tried),
  );
