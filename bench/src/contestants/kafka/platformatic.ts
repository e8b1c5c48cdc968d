import { Consumer, Producer, jsonDeserializer, jsonSerializer } from '@platformatic/kafka';
import { HANDS, type Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { makeTopic } from './topic.js';

/** How many messages go into one request at most. */
const GATHERED = 500;

export default {
  name: '@platformatic/kafka, gathered',
  safety: 'equal',
  beside: 'nest-messaging (platformatic)',
  batch: GATHERED,
  says: `acks all, ${GATHERED} messages in one request; ${HANDS} handlers at a time, positions committed after all before have ended`,
  async publisher({ url, name }) {
    const producer = new Producer<undefined, Message, undefined, undefined>({
      clientId: 'bench',
      bootstrapBrokers: [url],
      acks: -1,
      serializers: { value: jsonSerializer },
    });
    return {
      send: (messages) => producer.send({ messages: messages.map((value) => ({ topic: name, value })) }),
      close: () => producer.close(),
    };
  },
  async consumer(place, handle) {
    await makeTopic(place);
    const consumer = new Consumer<undefined, Message, undefined, undefined>({
      clientId: 'bench',
      groupId: place.name,
      bootstrapBrokers: [place.url],
      deserializers: { value: jsonDeserializer },
    });
    const stream = await consumer.consume({
      topics: [place.name],
      mode: 'committed',
      fallbackMode: 'earliest',
      autocommit: false,
      maxWaitTime: 100,
    });
    const working = (async () => {
      // A slice of handlers at a time, and one commit for all of it.
      let running: Promise<void>[] = [];
      let last = new Map<number, { partition: number; offset: bigint; leaderEpoch: number }>();
      for await (const message of stream) {
        running.push(handle(message.value));
        last.set(message.partition, {
          partition: message.partition,
          offset: message.offset + 1n,
          leaderEpoch: 0,
        });
        if (running.length < HANDS && stream.readableLength > 0) continue;
        await Promise.all(running);
        await consumer.commit({
          offsets: [...last.values()].map((each) => ({ topic: place.name, ...each })),
        });
        running = [];
        last = new Map();
      }
    })();
    return {
      close: async () => {
        await consumer.close(true);
        await working;
      },
    };
  },
} satisfies Contestant;
