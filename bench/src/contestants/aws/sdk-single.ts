import { DeleteMessageCommand, ReceiveMessageCommand, SendMessageCommand } from '@aws-sdk/client-sqs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { makeQueue, MOST, sqsClient, WAIT, prepare } from './queue.js';

export default {
  name: 'AWS SDK, one by one',
  safety: 'equal',
  says: 'a request for each message sent; ten received and handled at a time, each deleted by itself after its handler, and only then the next ten',
  prepare,
  async publisher(place) {
    const sqs = sqsClient(place);
    const QueueUrl = await makeQueue(sqs, place);
    return {
      send: ([message]) =>
        sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(message) })),
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
        await Promise.all(
          Messages.map(async ({ Body, ReceiptHandle }) => {
            await handle(JSON.parse(Body!) as Message);
            await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
          }),
        );
      }
    };
    const working = loop().catch((error: unknown) => {
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
