import { Consumer } from 'sqs-consumer';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { sendOneByOne } from './one-by-one.js';
import { makeQueue, prepare, sqsClient } from './queue.js';

export interface Settings {
  readonly batchSize?: number;
  /** Whether the handler is given all that was received together, which is then deleted by one request. @default false */
  readonly batches?: boolean;
}

/** sqs-consumer, which only takes: what is sent goes through the SDK, one by one. */
export const sqsConsumer = (
  about: Pick<Contestant, 'safety' | 'says'>,
  { batches = false, ...options }: Settings,
): Contestant => ({
  name: batches ? 'sqs-consumer, batches' : 'sqs-consumer',
  ...about,
  prepare,
  publisher: sendOneByOne,
  async consumer(place, handle) {
    const sqs = sqsClient(place);
    const consumer = Consumer.create({
      queueUrl: await makeQueue(sqs, place),
      sqs,
      ...options,
      ...(batches
        ? {
            async handleMessageBatch(messages) {
              await Promise.all(messages.map(({ Body }) => handle(JSON.parse(Body!) as Message)));
              return messages;
            },
          }
        : {
            async handleMessage(message) {
              await handle(JSON.parse(message.Body!) as Message);
              return message;
            },
          }),
    });
    // Stopping aborts the request that waits, which is no error of interest.
    consumer.on('error', (error) => consumer.status.isRunning && console.error(error));
    consumer.start();
    return { close: async () => consumer.stop({ abort: true }) };
  },
});
