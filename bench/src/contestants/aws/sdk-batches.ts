import {
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
} from '@aws-sdk/client-sqs';
import { HANDS, type Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { makeQueue, MOST, sqsClient, WAIT, prepare } from './queue.js';

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
  async consumer(place, handle) {
    const sqs = sqsClient(place);
    const QueueUrl = await makeQueue(sqs, place);
    const closing = new AbortController();
    const receive = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: MOST, WaitTimeSeconds: WAIT });
    const loop = async (): Promise<void> => {
      while (!closing.signal.aborted) {
        const { Messages = [] } = await sqs.send(receive, { abortSignal: closing.signal });
        if (Messages.length === 0) continue;
        await Promise.all(Messages.map(({ Body }) => handle(JSON.parse(Body!) as Message)));
        const Entries = Messages.map(({ ReceiptHandle }, i) => ({ Id: `${i}`, ReceiptHandle }));
        await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries }));
      }
    };
    const working = Promise.all(Array.from({ length: HANDS / MOST }, loop)).catch((error: unknown) => {
      if (!closing.signal.aborted) throw error;
    });
    return {
      async close() {
        closing.abort();
        await working;
        sqs.destroy();
      },
    };
  },
} satisfies Contestant;
