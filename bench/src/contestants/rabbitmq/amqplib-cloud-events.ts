import { connect } from 'amqplib';
import type { Contestant } from '../../contestant.js';
import { cloudEvent } from '../cloud-event.js';
import amqplib from './amqplib.js';
import { CONNECTION, EXCHANGE, KEY } from './queue.js';

/** The same in the properties that AMQP has of its own. */
function metadata(): object {
  const headers = cloudEvent('cloudEvents:', KEY);
  return {
    messageId: headers['cloudEvents:id'],
    contentType: 'application/json',
    type: KEY,
    appId: 'bench',
    timestamp: Math.floor(Date.now() / 1_000),
    headers,
  };
}

export default {
  ...amqplib,
  name: 'amqplib with metadata',
  says: "as amqplib, and each message carries the properties and CloudEvents' headers that ours does",
  async publisher({ url, name }) {
    const connection = await connect(url, CONNECTION);
    const channel = await connection.createConfirmChannel();
    return {
      send: ([message]) =>
        new Promise<void>((resolve, reject) => {
          const body = Buffer.from(JSON.stringify(message));
          const options = { persistent: true, mandatory: true, ...metadata() };
          channel.publish(EXCHANGE, name, body, options, (error) =>
            error ? reject(error as Error) : resolve(),
          );
        }),
      close: () => connection.close(),
    };
  },
} satisfies Contestant;
