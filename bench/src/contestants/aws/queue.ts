import { CreateQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import type { Place } from '../../contestant.js';

/** What an emulator takes; the SDK demands some. */
const credentials = { accessKeyId: 'bench', secretAccessKey: 'bench' };
export const REGION = 'eu-west-1';

export const connection = ({ url }: Place) => ({ endpoint: url, region: REGION, credentials });

export const sqsClient = (place: Place): SQSClient => new SQSClient(connection(place));

/** Answers the URL of one that exists, too. */
export async function makeQueue(sqs: SQSClient, { name }: Place): Promise<string> {
  const { QueueUrl } = await sqs.send(new CreateQueueCommand({ QueueName: name }));
  return QueueUrl!;
}

/** Without a consumer, because a request that still waits when its consumer has gone takes messages with it. */
export async function prepare(place: Place): Promise<void> {
  const sqs = sqsClient(place);
  await makeQueue(sqs, place);
  sqs.destroy();
}

/** Seconds that a request waits for messages. */
export const WAIT = 20;
/** Messages in one request, at most. */
export const MOST = 10;
