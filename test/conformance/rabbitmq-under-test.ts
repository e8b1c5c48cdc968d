import { randomBytes } from 'node:crypto';
import type { TestBroker, Used } from '@nest-messaging/testing/conformance';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { connect, type Channel } from 'amqplib';
import {
  eventsExchange,
  planSubscription,
  queueName,
  serviceName,
} from '../../packages/rabbitmq/src/topology.js';
import { declarationsIn, type Declared } from '../../packages/rabbitmq/test/declared.js';
import { startProxy } from '../../packages/rabbitmq/test/proxy.js';
import { rabbitmqUrl } from '../support/rabbitmq.js';

/** A run's own namespace, and one service in it, so that its delay queues are made once. */
const environment = { namespace: `c${randomBytes(4).toString('hex')}`, service: 'conformance' };

/** Runs as a plain AMQP client, which has never heard of the module. */
async function plainly<T>(run: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(rabbitmqUrl());
  try {
    const channel = await connection.createConfirmChannel();
    const result = await run(channel);
    await channel.waitForConfirms();
    return result;
  } finally {
    await connection.close();
  }
}

/** RabbitMQ behind a proxy that can be cut. */
export async function rabbitmqUnderTest(): Promise<TestBroker> {
  const declared: Declared[] = [];
  const proxy = await startProxy(rabbitmqUrl(), () => declarationsIn((one) => declared.push(one)));
  return {
    broker: rabbitmq({ url: proxy.url }),
    environment,
    stall: () => proxy.away(),
    away: () => proxy.away(),
    cut: async () => proxy.cut(),
    vanish: (subscription, owner) =>
      plainly(async (channel) => {
        await channel.deleteQueue(planSubscription(owner, subscription, {}, 'quorum').queue!);
      }),
    foreign: ({ kind, name }, body, headers) =>
      plainly(async (channel) => {
        const [exchange, key] =
          kind === 'topic' ? [eventsExchange(environment), name] : ['', queueName(environment, name)];
        channel.publish(exchange, key, Buffer.from(body), { headers });
      }),
    async listen(topic, onBody) {
      const connection = await connect(rabbitmqUrl());
      const channel = await connection.createChannel();
      await channel.assertExchange(eventsExchange(environment), 'topic', { durable: true });
      const { queue } = await channel.assertQueue('', { exclusive: true });
      await channel.bindQueue(queue, eventsExchange(environment), topic);
      await channel.consume(queue, (message) => message && onBody(message.content), { noAck: true });
      return () => connection.close();
    },
    // All that this test's own connections have declared.
    made: async () => declared,
    unreachable: {
      broker: rabbitmq({ url: 'amqp://someone:s3cret@127.0.0.1:1' }),
      address: '127.0.0.1:1',
      secret: 's3cret',
    },
    async cleanup(used) {
      await plainly((channel) => remove(channel, used));
      await proxy.close();
    },
  };
}

/** Deletes what one guarantee made; deleting what does not exist is no error. */
async function remove(channel: Channel, used: readonly Used[]): Promise<void> {
  const queues = new Set<string>();
  for (const { environment: owner, subscriptions, destinations } of used) {
    for (const subscription of subscriptions) {
      if (subscription.brokerOptions !== undefined) continue;
      for (const resource of planSubscription(owner, subscription, {}, 'quorum').resources)
        if (resource.kind === 'queue') queues.add(resource.name);
    }
    for (const { kind, name } of destinations) if (kind === 'queue') queues.add(queueName(owner, name));
  }
  for (const queue of queues) await channel.deleteQueue(queue);
  for (const { environment: owner } of used)
    if (owner.namespace !== environment.namespace || owner.service !== environment.service)
      await removeShared(channel, owner);
}

/** Deletes what all guarantees share. */
export async function removeRest(): Promise<void> {
  await plainly((channel) => removeShared(channel, environment));
}

async function removeShared(
  channel: Channel,
  owner: Used['environment'] | typeof environment,
): Promise<void> {
  const own = (suffix: string): string => serviceName(owner, suffix);
  const levels = Array.from({ length: 30 }, (_, level) => own(`delay-${level}`));
  for (const queue of [...levels, own('strays'), own('sink')]) await channel.deleteQueue(queue);
  for (const exchange of [...levels, own('due'), own('return'), own('strays')])
    await channel.deleteExchange(exchange);
  if (owner.namespace !== environment.namespace || owner === environment)
    await channel.deleteExchange(eventsExchange(owner));
}
