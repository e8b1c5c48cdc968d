import { Consumer, Producer, jsonDeserializer, jsonSerializer } from '@platformatic/kafka';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { makeTopic } from './topic.js';

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
    await makeTopic(place);
    const consumer = new Consumer<undefined, Message, undefined, undefined>({
      clientId: 'bench',
      groupId: place.name,
      bootstrapBrokers: [place.url],
      deserializers: { value: jsonDeserializer },
    });
    const stream = await consumer.consume({
      topics: [place.name],
      // By itself it reads what comes from now on: there would be no backlog.
      mode: 'committed',
      fallbackMode: 'earliest',
    });
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
