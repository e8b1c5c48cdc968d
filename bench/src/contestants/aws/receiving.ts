import { ReceiveMessageCommand, type Message as Received, type SQSClient } from '@aws-sdk/client-sqs';
import type { Contestant, Place } from '../../contestant.js';
import { makeQueue, MOST, sqsClient, WAIT } from './queue.js';

/** Loops that each receive ten through the bare SDK, and receive the next ten once `work` is done with them. */
export async function receiving(
  place: Place,
  loops: number,
  work: (messages: readonly Received[], sqs: SQSClient, QueueUrl: string) => Promise<unknown>,
): ReturnType<Contestant['consumer']> {
  const sqs = sqsClient(place);
  const QueueUrl = await makeQueue(sqs, place);
  const closing = new AbortController();
  const receive = new ReceiveMessageCommand({ QueueUrl, MaxNumberOfMessages: MOST, WaitTimeSeconds: WAIT });
  const loop = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      const { Messages = [] } = await sqs.send(receive, { abortSignal: closing.signal });
      if (Messages.length > 0) await work(Messages, sqs, QueueUrl);
    }
  };
  const working = Promise.all(Array.from({ length: loops }, loop)).catch((error: unknown) => {
    if (!closing.signal.aborted) throw error;
  });
  return {
    async close() {
      closing.abort();
      await working;
      sqs.destroy();
    },
  };
}
