import { DeleteMessageCommand } from '@aws-sdk/client-sqs';
import type { Contestant } from '../../contestant.js';
import type { Message } from '../../message.js';
import { sendOneByOne } from './one-by-one.js';
import { prepare } from './queue.js';
import { receiving } from './receiving.js';

export default {
  name: 'AWS SDK, one by one',
  safety: 'equal',
  says: 'a request for each message sent; ten received and handled at a time, each deleted by itself after its handler, and only then the next ten',
  prepare,
  publisher: sendOneByOne,
  consumer: (place, handle) =>
    receiving(place, 1, (messages, sqs, QueueUrl) =>
      Promise.all(
        messages.map(async ({ Body, ReceiptHandle }) => {
          await handle(JSON.parse(Body!) as Message);
          await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
        }),
      ),
    ),
} satisfies Contestant;
