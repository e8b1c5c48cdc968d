import { SendMessageCommand } from '@aws-sdk/client-sqs';
import type { Contestant } from '../../contestant.js';
import { makeQueue, sqsClient } from './queue.js';

/** A request for each message, through the bare SDK. */
export const sendOneByOne: Contestant['publisher'] = async (place) => {
  const sqs = sqsClient(place);
  const QueueUrl = await makeQueue(sqs, place);
  return {
    send: ([message]) => sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: JSON.stringify(message) })),
    close: async () => sqs.destroy(),
  };
};
