import { connect } from 'amqplib';

/** The broker of all tests; they never pass for want of one. */
export function rabbitmqUrl(): string {
  const url = process.env['RABBITMQ_URL'];
  if (!url)
    throw new Error(
      'RABBITMQ_URL is not set: start a broker with `npm run brokers -- up rabbitmq`, and set what `npm run --silent brokers -- env` prints',
    );
  return url;
}

/** Suffixes of what belongs to a subscription. */
const OF_SUBSCRIPTION = ['', '--dead', '--suspect', '--ordered', '--turn'];
/** As many levels of delay as there can be, and more. */
const LEVELS = Array.from({ length: 30 }, (_, level) => `delay-${level}`);

/** Deletes what applications made on the broker under a namespace of a test's own; what does not exist is no error. */
export async function removeNamespace(
  namespace: string,
  made: { readonly services: readonly string[]; readonly subscriptions: readonly string[] },
): Promise<void> {
  const connection = await connect(rabbitmqUrl());
  const channel = await connection.createChannel();
  for (const subscription of made.subscriptions)
    for (const suffix of OF_SUBSCRIPTION) await channel.deleteQueue(`${namespace}.${subscription}${suffix}`);
  for (const service of made.services) {
    const own = (suffix: string): string => `${namespace}.${service}--${suffix}`;
    for (const queue of [...LEVELS, 'strays', 'sink']) await channel.deleteQueue(own(queue));
    for (const exchange of [...LEVELS, 'due', 'return', 'strays'])
      await channel.deleteExchange(own(exchange));
  }
  await channel.deleteExchange(namespace);
  await connection.close();
}
