import { Connection } from 'rabbitmq-client';
import { HANDS, type Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { CONNECTION, EXCHANGE, QUORUM } from './queue.js';

export default {
  name: 'rabbitmq-client',
  safety: 'equal',
  says: `quorum queue behind a topic exchange, confirmed, persistent, noDelay; a prefetch of ${HANDS}, acknowledged after the handler`,
  async publisher({ url, name }) {
    const connection = new Connection({ url, ...CONNECTION });
    const publisher = connection.createPublisher({ confirm: true });
    return {
      send: ([message]) =>
        publisher.send({ exchange: EXCHANGE, routingKey: name, durable: true, mandatory: true }, message),
      close: () => publisher.close().then(() => connection.close()),
    };
  },
  async consumer({ url, name }, handle) {
    const connection = new Connection({ url, ...CONNECTION });
    const consumer = connection.createConsumer(
      {
        queue: name,
        queueOptions: { queue: name, ...QUORUM },
        exchanges: [{ exchange: EXCHANGE, type: 'topic', durable: true }],
        queueBindings: [{ exchange: EXCHANGE, routingKey: name }],
        qos: { prefetchCount: HANDS },
        concurrency: HANDS,
      },
      ({ body }) => handle(body as Message),
    );
    await new Promise<void>((resolve) => consumer.on('ready', resolve));
    return { close: () => consumer.close().then(() => connection.close()) };
  },
} satisfies Contestant;
