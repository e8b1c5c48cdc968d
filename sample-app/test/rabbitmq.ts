import { connect, type Channel } from 'amqplib';
import { SERVICES } from '../src/services.js';

/** Tests never pass for want of a broker. */
export function rabbitmqUrl(): string {
  const url = process.env['RABBITMQ_URL'];
  if (!url)
    throw new Error(
      'RABBITMQ_URL is not set: start a broker with `npm run brokers -- up rabbitmq`, and set what `npm run --silent brokers -- env` prints',
    );
  return url;
}

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

/** Removes what the shop made under a namespace; deleting what is not there is no error. */
export async function deleteAll(namespace: string): Promise<void> {
  const owners = ['shop', ...Object.keys(SERVICES)].map((service) => `${namespace}.${service}`);
  const levels = owners.flatMap((owner) =>
    Array.from({ length: 23 }, (_, level) => `${owner}--delay-${level}`),
  );
  const named = (...suffixes: string[]): string[] =>
    owners.flatMap((owner) => suffixes.map((suffix) => `${owner}--${suffix}`));
  const subscriptions = QUEUES.map((queue) => `${namespace}.${queue}`);
  await withChannel(async (channel) => {
    for (const queue of subscriptions)
      for (const suffix of ['', '--dead', '--suspect']) await channel.deleteQueue(`${queue}${suffix}`);
    for (const queue of [...levels, ...named('sink', 'strays')]) await channel.deleteQueue(queue);
    for (const exchange of [namespace, ...levels, ...named('due', 'return', 'strays')])
      await channel.deleteExchange(exchange);
  });
}
