import type { ConsumerRunConfig, KafkaConfig } from 'kafkajs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { client, makeTopic } from './topic.js';

/** kafkajs by itself, sending what it is given in one request. */
export const kafkajs = (
  about: Pick<Contestant, 'name' | 'safety' | 'says' | 'batch'>,
  { socketFactory, ...run }: ConsumerRunConfig & Pick<KafkaConfig, 'socketFactory'> = {},
): Contestant => ({
  beside: 'nest-messaging (kafkajs)',
  ...about,
  async publisher(place) {
    const sender = client(place, { ...(socketFactory && { socketFactory }) }).producer();
    await sender.connect();
    return {
      send: (messages) =>
        sender.send({
          topic: place.name,
          acks: -1,
          messages: messages.map((message) => ({ value: JSON.stringify(message) })),
        }),
      close: () => sender.disconnect(),
    };
  },
  async consumer(place, handle) {
    await makeTopic(place);
    const consumer = client(place, { ...(socketFactory && { socketFactory }) }).consumer({
      groupId: place.name,
    });
    await consumer.connect();
    await consumer.subscribe({ topic: place.name, fromBeginning: true });
    const joined = new Promise<void>((resolve) => consumer.on(consumer.events.GROUP_JOIN, () => resolve()));
    await consumer.run({
      ...run,
      eachMessage: ({ message }) => handle(JSON.parse(String(message.value)) as Message),
    });
    await joined;
    return { close: () => consumer.disconnect() };
  },
});
