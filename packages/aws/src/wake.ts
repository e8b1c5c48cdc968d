import { randomUUID } from 'node:crypto';
import { SendMessageCommand, type Message as SqsMessage, type SQSClient } from '@aws-sdk/client-sqs';
import { isFifo } from './names.js';
import type { Queue } from './queues.js';

const ATTRIBUTE = 'nm';
const WAKE = '{"wake":true}';

/** A message that carries nothing: whoever receives it deletes it. */
export const isWake = ({ MessageAttributes }: SqsMessage): boolean =>
  MessageAttributes?.[ATTRIBUTE]?.StringValue === WAKE;

/** Has one of the queue's open polls, of whichever process, answered at once. */
export async function wake(sqs: SQSClient, { name, url }: Queue): Promise<void> {
  const id = randomUUID();
  await sqs.send(
    new SendMessageCommand({
      QueueUrl: url,
      MessageBody: 'wake',
      MessageAttributes: { [ATTRIBUTE]: { DataType: 'String', StringValue: WAKE } },
      ...(isFifo(name) ? { MessageGroupId: id, MessageDeduplicationId: id } : {}),
    }),
  );
}
