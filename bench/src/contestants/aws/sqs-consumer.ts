import { Consumer } from 'sqs-consumer';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { sendOneByOne } from './one-by-one.js';
import { makeQueue, prepare, sqsClient } from './queue.js';

/** sqs-consumer, which only takes: what is sent goes through the SDK, one by one. */
export const sqsConsumer = (
  about: Pick<Contestant, 'safety' | 'says'>,
  options: { readonly batchSize?: number },
): Contestant => ({
  name: 'sqs-consumer',
  ...about,
  prepare,
  publisher: sendOneByOne,
  async consumer(place, handle) {
    const sqs = sqsClient(place);
    const consumer = Consumer.create({
      queueUrl: await makeQueue(sqs, place),
      sqs,
      ...options,
      async handleMessage(message) {
        await handle(JSON.parse(message.Body!) as Message);
        return message;
      },
    });
    // Stopping aborts the request that waits, which is no error of interest.
    consumer.on('error', (error) => consumer.status.isRunning && console.error(error));
    consumer.start();
    return { close: async () => consumer.stop({ abort: true }) };
  },
});
