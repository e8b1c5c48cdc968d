import { connect, type Channel } from 'amqplib';
import { rabbitmqUrl, removeNamespace } from '../../test/support/rabbitmq.js';
import { SERVICES } from '../src/services.js';

/** All queues that hold the shop's events and tasks, however its services are spread over processes. */
const QUEUES = [
  'analytics.order.*',
  'inventory.order.paid',
  'inventory.order.placed',
  'notifications.order.placed',
  'notifications.order.shipped',
  'notifications.review.due',
  'orders.parcel.packed',
  'parcel.pack',
  'payments.order.placed',
];

/** Lets a plain client, which knows nothing of the module, do something. */
async function withChannel<T>(act: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(rabbitmqUrl());
  connection.on('error', () => undefined);
  try {
    const channel = await connection.createChannel();
    channel.on('error', () => undefined);
    return await act(channel);
  } finally {
    await connection.close().catch(() => undefined);
  }
}

/** Processes at work on each of the shop's queues. */
export function countConsumers(namespace: string): Promise<Record<string, number>> {
  return withChannel(async (channel) => {
    const counts = QUEUES.map(async (queue) => {
      const { consumerCount } = await channel.checkQueue(`${namespace}.${queue}`);
      return [queue, consumerCount] as const;
    });
    return Object.fromEntries(await Promise.all(counts));
  });
}

/** Publishes as one who has never heard of the module. */
export async function publishPlainly(
  namespace: string,
  topic: string,
  payload: unknown,
  correlationId: string,
): Promise<void> {
  await withChannel(async (channel) => {
    channel.publish(namespace, topic, Buffer.from(JSON.stringify(payload)), { correlationId });
    await channel.close();
  });
}

/** Removes what the shop made under a namespace. */
export function deleteAll(namespace: string): Promise<void> {
  return removeNamespace(namespace, { services: ['shop', ...Object.keys(SERVICES)], subscriptions: QUEUES });
}
