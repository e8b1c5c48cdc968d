import { connect, type ConsumeMessage, type Options } from 'amqplib';
import { HANDS, type Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { CONNECTION, EXCHANGE, QUORUM } from './queue.js';

/** @param metadata what each message carries besides */
export const publisherWith =
  (metadata?: () => Options.Publish): Contestant['publisher'] =>
  async ({ url, name }) => {
    const connection = await connect(url, CONNECTION);
    const channel = await connection.createConfirmChannel();
    return {
      send: ([message]) =>
        new Promise<void>((resolve, reject) => {
          const body = Buffer.from(JSON.stringify(message));
          const options = { persistent: true, mandatory: true, ...metadata?.() };
          channel.publish(EXCHANGE, name, body, options, (error) =>
            error ? reject(error as Error) : resolve(),
          );
        }),
      close: () => connection.close(),
    };
  };

/** Acknowledges each by itself after the handler. */
export const consumerWith =
  (queue?: Options.AssertQueue, prefetch?: number): Contestant['consumer'] =>
  async ({ url, name }, handle) => {
    const connection = await connect(url, CONNECTION);
    const channel = await connection.createChannel();
    await channel.assertExchange(EXCHANGE, 'topic');
    await channel.assertQueue(name, queue);
    await channel.bindQueue(name, EXCHANGE, name);
    if (prefetch !== undefined) await channel.prefetch(prefetch);
    const take = async (delivery: ConsumeMessage): Promise<void> => {
      await handle(JSON.parse(delivery.content.toString()) as Message);
      channel.ack(delivery);
    };
    await channel.consume(name, (delivery) => void (delivery && take(delivery)));
    return { close: () => channel.close().then(() => connection.close()) };
  };

export default {
  name: 'amqplib',
  safety: 'equal',
  says: `quorum queue behind a topic exchange, confirm channel, persistent, noDelay; a prefetch of ${HANDS}, each acknowledged by itself after the handler`,
  publisher: publisherWith(),
  consumer: consumerWith(QUORUM, HANDS),
} satisfies Contestant;
