import { once } from 'node:events';
import { connect } from 'amqplib';
import type { Contestant } from '../../contestant.js';
import { consumerWith } from './amqplib.js';
import { EXCHANGE } from './queue.js';

export default {
  name: 'amqplib',
  safety: 'defaults',
  says: 'a classic queue, no confirms, and messages in memory alone: what is lost on the way to the broker, or when it restarts, nobody knows; all that waits is delivered at once; without noDelay',
  async publisher({ url, name }) {
    const connection = await connect(url);
    const channel = await connection.createChannel();
    return {
      async send([message]) {
        const room = channel.publish(EXCHANGE, name, Buffer.from(JSON.stringify(message)));
        if (!room) await once(channel, 'drain');
      },
      close: () => channel.close().then(() => connection.close()),
    };
  },
  consumer: consumerWith(),
} satisfies Contestant;
