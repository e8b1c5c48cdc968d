import { DeleteMessageBatchCommand, SendMessageBatchCommand } from '@aws-sdk/client-sqs';
import { HANDS, type Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { makeQueue, MOST, prepare, sqsClient } from './queue.js';
import { receiving } from './receiving.js';

export default {
  name: 'AWS SDK, batches of ten',
  safety: 'equal',
  batch: MOST,
  says: `ten messages are there at once, and are sent in one request; ${HANDS / MOST} loops that receive ten, handle them at a time, and delete them in one request`,
  prepare,
  async publisher(place) {
    const sqs = sqsClient(place);
    const QueueUrl = await makeQueue(sqs, place);
    return {
      async send(messages) {
        const Entries = messages.map((message, i) => ({ Id: `${i}`, MessageBody: JSON.stringify(message) }));
        const { Failed = [] } = await sqs.send(new SendMessageBatchCommand({ QueueUrl, Entries }));
        if (Failed.length > 0) throw new Error(`${Failed.length} messages were not taken`);
      },
      close: async () => sqs.destroy(),
    };
  },
  consumer: (place, handle) =>
    receiving(place, HANDS / MOST, async (messages, sqs, QueueUrl) => {
      await Promise.all(messages.map(({ Body }) => handle(JSON.parse(Body!) as Message)));
      const Entries = messages.map(({ ReceiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle }));
      const { Failed = [] } = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
      if (Failed.length > 0) throw new Error(`${Failed.length} messages were not deleted`);
    }),
} satisfies Contestant;
