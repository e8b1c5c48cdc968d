import { connect, type Channel } from 'amqplib';
import { rabbitmqUrl, removeNamespace } from '../../test/support/rabbitmq.js';
import { SERVICES } from '../src/services.js';

/** All queues that hold the shop's events and tasks, however its services are spread over processes. */
export const QUEUES = [
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
export async function withChannel<T>(act: (channel: Channel) => Promise<T>): Promise<T> {
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

/** Removes what the shop made under a namespace. */
export function deleteAll(namespace: string): Promise<void> {
  return removeNamespace(namespace, { services: ['shop', ...Object.keys(SERVICES)], subscriptions: QUEUES });
}
