import { Producer, jsonSerializer } from '@platformatic/kafka';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { consuming } from './platformatic.js';

export default {
  name: '@platformatic/kafka, one a send',
  safety: 'defaults',
  beside: 'nest-messaging (platformatic)',
  says: "acks of the partition's leader alone, a request for each message: what a leader that goes away had not shared is lost; positions committed as messages are read, handled or not, one after the other: what a process had in hand when it ends is lost",
  async publisher({ url, name }) {
    const producer = new Producer<undefined, Message, undefined, undefined>({
      clientId: 'bench',
      bootstrapBrokers: [url],
      serializers: { value: jsonSerializer },
    });
    return {
      send: ([value]) => producer.send({ messages: [{ topic: name, value: value! }] }),
      close: () => producer.close(),
    };
  },
  async consumer(place, handle) {
    const { consumer, stream } = await consuming(place);
    const working = (async () => {
      for await (const { value } of stream) await handle(value);
    })();
    return {
      close: async () => {
        await consumer.close(true);
        await working;
      },
    };
  },
} satisfies Contestant;
