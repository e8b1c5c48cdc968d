import { Producer, jsonSerializer, stringSerializer } from '@platformatic/kafka';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { cloudEvent } from '../cloud-event.js';
import platformatic from './platformatic.js';

export default {
  ...platformatic,
  name: '@platformatic/kafka, gathered, with metadata',
  says: "as before, and each message carries CloudEvents' headers as ours does",
  async publisher({ url, name }) {
    const producer = new Producer<undefined, Message, string, string>({
      clientId: 'bench',
      bootstrapBrokers: [url],
      acks: -1,
      serializers: { value: jsonSerializer, headerKey: stringSerializer, headerValue: stringSerializer },
    });
    return {
      send: (messages) =>
        producer.send({
          messages: messages.map((value) => ({
            topic: name,
            value,
            headers: { 'content-type': 'application/json', ...cloudEvent('ce_', name) },
          })),
        }),
      close: () => producer.close(),
    };
  },
} satisfies Contestant;
