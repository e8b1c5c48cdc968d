import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type Message as SqsMessage,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { DeadLetteredMessage, DeadLetterStore, SubscriptionId } from '@nest-messaging/core/contract';
import { isFifo, subscriptionNames, type Owner } from './names.js';
import type { Queue, Queues } from './queues.js';
import { outcomes, type Sending } from './sending.js';
import { copyOf, readDeadLetter } from './wire.js';
import { placeOf } from './work.js';

export interface DeadLettersParts {
  readonly owner: Owner;
  readonly sqs: SQSClient;
  readonly queues: Queues;
  readonly sending: Sending;
  /** Aborts when the transport is closed. */
  readonly closed: AbortSignal;
}

/** Whoever looks has the letters to itself for so long, in seconds; then they are seen again if it has died. */
const LOOK = 60;
const ENTRIES = 10;

const inTens = <T>(list: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(list.length / ENTRIES) }, (_, at) =>
    list.slice(at * ENTRIES, (at + 1) * ENTRIES),
  );

/**
 * SQS has no way to look at messages but to receive them, so that letters are received, looked at, and made visible
 * again at once. Two who look at the same time see a part each.
 */
export function createDeadLetters({
  owner,
  sqs,
  queues,
  sending,
  closed,
}: DeadLettersParts): DeadLetterStore {
  /** One look at a queue at a time, since what one has in hand another does not see. */
  const looks = new Map<string, Promise<unknown>>();

  const alone = async <T>(name: string, work: () => Promise<T>): Promise<T> => {
    const before = looks.get(name) ?? Promise.resolve();
    const mine = before.then(work, work);
    looks.set(name, mine);
    try {
      return await mine;
    } finally {
      if (looks.get(name) === mine) looks.delete(name);
    }
  };

  const count = async ({ url }: Queue): Promise<number> => {
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  };

  /** All there are now. The count is approximate: what is looked for beyond it is waited for a second. */
  const receiveAll = async (queue: Queue): Promise<SqsMessage[]> => {
    const found: SqsMessage[] = [];
    const expected = await count(queue);
    if (expected === 0) return found;
    for (;;) {
      closed.throwIfAborted();
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queue.url,
          MaxNumberOfMessages: ENTRIES,
          VisibilityTimeout: LOOK,
          WaitTimeSeconds: found.length >= expected ? 0 : 1,
          MessageSystemAttributeNames: ['All'],
          MessageAttributeNames: ['All'],
        }),
      );
      found.push(...Messages);
      if (Messages.length === 0) return found;
    }
  };

  const putBack = async ({ url }: Queue, letters: readonly SqsMessage[]): Promise<void> => {
    await Promise.all(
      inTens(letters).map((ten) =>
        sqs.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: url,
            Entries: ten.map(({ ReceiptHandle }, at) => ({
              Id: `${at}`,
              ReceiptHandle,
              VisibilityTimeout: 0,
            })),
          }),
        ),
      ),
    );
  };

  const remove = async ({ url }: Queue, letters: readonly SqsMessage[]): Promise<void> => {
    for (const ten of inTens(letters)) {
      const failed = outcomes(
        ten.length,
        await sqs.send(
          new DeleteMessageBatchCommand({
            QueueUrl: url,
            Entries: ten.map(({ ReceiptHandle }, at) => ({ Id: `${at}`, ReceiptHandle })),
          }),
        ),
      ).find((outcome) => outcome !== undefined);
      if (failed !== undefined) throw failed;
    }
  };

  const oldestFirst = (letters: readonly SqsMessage[]): SqsMessage[] =>
    letters.toSorted((a, b) => Number(a.Attributes?.SentTimestamp) - Number(b.Attributes?.SentTimestamp));

  /** Calls `work` with all letters; what it does not answer is put back. */
  const look = <T>(
    id: SubscriptionId,
    none: T,
    work: (
      letters: readonly SqsMessage[],
      queue: Queue,
    ) => Promise<{ readonly answer: T; readonly gone: readonly SqsMessage[] }>,
  ): Promise<T> => {
    const { dead } = subscriptionNames(owner, id, false);
    return alone(dead, async () => {
      const queue = await queues.find(dead);
      if (!queue) return none;
      const letters = oldestFirst(await receiveAll(queue));
      let gone: readonly SqsMessage[] = [];
      try {
        const done = await work(letters, queue);
        gone = done.gone;
        await remove(queue, gone);
        return done.answer;
      } finally {
        await putBack(
          queue,
          letters.filter((letter) => !gone.includes(letter)),
        );
      }
    });
  };

  const asked = (
    letters: readonly SqsMessage[],
    id: SubscriptionId,
    ids: ReadonlySet<string> | undefined,
  ): { readonly raw: SqsMessage; readonly letter: DeadLetteredMessage }[] =>
    letters
      .map((raw) => ({ raw, letter: readDeadLetter(raw, id.source, id.group) }))
      .filter(({ letter }) => !ids || ids.has(letter.message.id));

  /** Where a letter came from; what SQS itself moved does not say. */
  const homeOf = async (id: SubscriptionId, raw: SqsMessage): Promise<Queue> => {
    const marked = /"to":\{"kind":"queue","name":"([^"]+)"\}/.exec(
      raw.MessageAttributes?.['nm']?.StringValue ?? '',
    );
    const name = marked?.[1] ?? subscriptionNames(owner, id, false).queue;
    return queues.ensure(name);
  };

  return {
    list: (id, limit) =>
      look<DeadLetteredMessage[]>(id, [], async (letters) => ({
        answer: asked(letters, id, undefined)
          .slice(0, Math.max(0, limit))
          .map(({ letter }) => letter),
        gone: [],
      })),

    redrive: (id, ids) =>
      look(id, 0, async (letters, queue) => {
        const wanted = asked(letters, id, ids);
        const moved: SqsMessage[] = [];
        let failure: { readonly error: unknown } | undefined;
        await Promise.all(
          wanted.map(async ({ raw, letter: { message } }) => {
            try {
              const home = await homeOf(id, raw);
              const place = placeOf(message.key, message.id, 'redrive');
              const key = isFifo(home.name) && message.key !== undefined ? { key: message.key } : {};
              await sending.toQueue(home.url, copyOf(raw, { id: message.id, ...key }), place, 0, closed);
              moved.push(raw);
            } catch (error) {
              failure ??= { error };
            }
          }),
        );
        if (failure) {
          await remove(queue, moved);
          throw failure.error;
        }
        return { answer: moved.length, gone: moved };
      }),

    purge: (id, ids) =>
      look(id, 0, async (letters) => {
        const gone = asked(letters, id, ids).map(({ raw }) => raw);
        return { answer: gone.length, gone };
      }),
  };
}
