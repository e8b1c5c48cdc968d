import { Connection, type ConnectionOptions, type ConsumerProps } from 'rabbitmq-client';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { EXCHANGE } from './queue.js';

interface Settings {
  readonly connection?: ConnectionOptions;
  readonly confirm?: boolean;
  readonly envelope?: { readonly durable: boolean; readonly mandatory: boolean };
  readonly consumer?: Partial<ConsumerProps>;
}

export const rabbitmqClient = (
  about: Pick<Contestant, 'safety' | 'says'>,
  { connection: more, confirm, envelope, consumer: own }: Settings,
): Contestant => ({
  name: 'rabbitmq-client',
  ...about,
  async publisher({ url, name }) {
    const connection = new Connection({ url, ...more });
    const publisher = connection.createPublisher({ ...(confirm !== undefined && { confirm }) });
    return {
      send: ([message]) => publisher.send({ exchange: EXCHANGE, routingKey: name, ...envelope }, message),
      close: () => publisher.close().then(() => connection.close()),
    };
  },
  async consumer({ url, name }, handle) {
    const connection = new Connection({ url, ...more });
    const consumer = connection.createConsumer(
      {
        queue: name,
        exchanges: [{ exchange: EXCHANGE, type: 'topic', durable: true }],
        queueBindings: [{ exchange: EXCHANGE, routingKey: name }],
        ...own,
        queueOptions: { queue: name, ...own?.queueOptions },
      },
      ({ body }) => handle(body as Message),
    );
    await new Promise<void>((resolve) => consumer.on('ready', resolve));
    return { close: () => consumer.close().then(() => connection.close()) };
  },
});
