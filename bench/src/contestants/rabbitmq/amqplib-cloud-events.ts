import { randomUUID } from 'node:crypto';
import { connect } from 'amqplib';
import type { Contestant } from '../../contestant.js';
import amqplib from './amqplib.js';
import { EXCHANGE, KEY } from './queue.js';

/** What others must be able to read of a message, whoever writes it. */
function metadata(): object {
  const id = randomUUID();
  const now = Date.now();
  return {
    messageId: id,
    contentType: 'application/json',
    type: KEY,
    appId: 'bench',
    timestamp: Math.floor(now / 1_000),
    headers: {
      'cloudEvents:specversion': '1.0',
      'cloudEvents:id': id,
      'cloudEvents:type': KEY,
      'cloudEvents:source': '/bench',
      'cloudEvents:time': new Date(now).toISOString(),
    },
  };
}

export default {
  ...amqplib,
  name: 'amqplib with metadata',
  says: "as amqplib, and each message carries the properties and CloudEvents' headers that ours does",
  async publisher({ url, name }) {
    const connection = await connect(url, { noDelay: true });
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
