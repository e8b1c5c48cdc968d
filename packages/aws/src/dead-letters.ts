import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type Message as SqsMessage,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import {
  describeSubscription,
  type DeadLetteredMessage,
  type DeadLetterStore,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import { isFifo, subscriptionNames, type Owner } from './names.js';
import type { Payloads } from './payloads.js';
import type { Queue, Queues } from './queues.js';
import { outcomes, type Sending } from './sending.js';
import { copyOf, readDeadLetter } from './wire.js';
import { placeOf, topicMark } from './work.js';

export interface DeadLettersParts {
  readonly owner: Owner;
  readonly sqs: SQSClient;
  readonly queues: Queues;
  readonly sending: Sending;
  readonly payloads: Payloads;
  /** Aborts when the transport is closed. */
  readonly closed: AbortSignal;
}

/** Whoever looks has the letters to itself for so long, in seconds; then they are seen again if it has died. */
const LOOK = 300;
/** Letters in memory at a time. */
const SLICE = 1_000;
const ENTRIES = 10;

/** What has come of looking at some letters. */
interface Looked<T> {
  readonly answer: T;
  /** Those to be deleted. */
  readonly gone: readonly SqsMessage[];
  /** Something failed, when these had been dealt with. */
  readonly error?: { readonly thrown: unknown } | undefined;
}

const oldestFirst = (letters: readonly SqsMessage[]): SqsMessage[] =>
  letters.toSorted((a, b) => Number(a.Attributes?.SentTimestamp) - Number(b.Attributes?.SentTimestamp));

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
  payloads,
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

  /** All there are now, some at a time. The count is approximate: what is not there yet is waited for a second. */
  async function* receiveAll(queue: Queue): AsyncGenerator<SqsMessage[]> {
    const expected = await count(queue);
    let slice: SqsMessage[] = [];
    for (let found = 0; ;) {
      closed.throwIfAborted();
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queue.url,
          MaxNumberOfMessages: ENTRIES,
          VisibilityTimeout: LOOK,
          // One that waits asks all of SQS's servers; one that does not, a few of them.
          WaitTimeSeconds: found > 0 && found >= expected ? 0 : 1,
          MessageSystemAttributeNames: ['All'],
          MessageAttributeNames: ['All'],
        }),
      );
      found += Messages.length;
      slice.push(...Messages);
      if (Messages.length > 0 && slice.length < SLICE) continue;
      if (slice.length > 0) yield oldestFirst(slice);
      slice = [];
      if (Messages.length === 0) return;
    }
  }

  const putBack = async ({ url }: Queue, handles: readonly string[]): Promise<void> => {
    await Promise.all(
      inTens(handles).map((ten) =>
        sqs.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl: url,
            Entries: ten.map((ReceiptHandle, at) => ({
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

  /** Calls `work` with all letters, some at a time, and deletes those that it answers. The others are put back. */
  const look = <T>(
    id: SubscriptionId,
    answer: T,
    work: (answer: T, letters: readonly SqsMessage[], queue: Queue) => Promise<Looked<T>>,
  ): Promise<T> => {
    const { dead } = subscriptionNames(owner, id, false);
    return alone(dead, async () => {
      const queue = await queues.find(dead);
      if (!queue) return answer;
      const kept = new Set<string>();
      try {
        for await (const letters of receiveAll(queue)) {
          for (const { ReceiptHandle } of letters) kept.add(ReceiptHandle!);
          const looked = await work(answer, letters, queue);
          answer = looked.answer;
          await remove(queue, looked.gone);
          for (const { ReceiptHandle } of looked.gone) kept.delete(ReceiptHandle!);
          if (looked.error) throw looked.error.thrown;
        }
        return answer;
      } finally {
        await putBack(queue, [...kept]);
      }
    });
  };

  const asked = (
    letters: readonly SqsMessage[],
    id: SubscriptionId,
    ids: ReadonlySet<string> | undefined,
  ): { readonly raw: SqsMessage; readonly letter: DeadLetteredMessage }[] =>
    letters
      .map((raw) => ({ raw, letter: readDeadLetter(raw, id, owner) }))
      .filter(({ letter }) => !ids || ids.has(letter.message.id));

  /** Where a letter came from; what SQS itself moved does not say. */
  const homeOf = async (id: SubscriptionId, raw: SqsMessage): Promise<Queue> => {
    const marked = /"to":\{"kind":"queue","name":"([^"]+)"\}/.exec(
      raw.MessageAttributes?.['nm']?.StringValue ?? '',
    );
    const name = marked?.[1] ?? subscriptionNames(owner, id, false).queue;
    return queues.ensure(name, { what: describeSubscription(id) });
  };

  /** The letter with its body, wherever that is; where it cannot be had, the failure says so, too. */
  const whole = async (
    id: SubscriptionId,
    raw: SqsMessage,
    letter: DeadLetteredMessage,
  ): Promise<DeadLetteredMessage> => {
    try {
      const loaded = await payloads.load(raw, closed);
      return loaded === raw ? letter : { ...readDeadLetter(loaded, id, owner), raw };
    } catch (error) {
      const { failure } = letter;
      const message = `${failure.message} (what is shown is where its body is: ${(error as Error).message})`;
      return { ...letter, failure: { ...failure, message } };
    }
  };

  return {
    list: async (id, limit) => {
      const oldest = await look<SqsMessage[]>(id, [], async (found, letters) => ({
        answer: oldestFirst([...found, ...letters]).slice(0, Math.max(0, limit)),
        gone: [],
      }));
      return Promise.all(asked(oldest, id, undefined).map(({ raw, letter }) => whole(id, raw, letter)));
    },

    redrive: (id, ids) =>
      look(id, 0, async (count, letters) => {
        const gone: SqsMessage[] = [];
        let error: { readonly thrown: unknown } | undefined;
        await Promise.all(
          asked(letters, id, ids).map(async ({ raw, letter: { message } }) => {
            try {
              const home = await homeOf(id, raw);
              const place = placeOf(message.key, message.id, 'redrive');
              const key = isFifo(home.name) && message.key !== undefined ? { key: message.key } : {};
              await sending.toQueue(
                home.url,
                copyOf(raw, { id: message.id, ...topicMark(id.source, message), ...key }),
                place,
                0,
                closed,
              );
              gone.push(raw);
            } catch (thrown) {
              error ??= { thrown };
            }
          }),
        );
        return { answer: count + gone.length, gone, error };
      }),

    purge: (id, ids) =>
      look(id, 0, async (count, letters) => {
        const gone = asked(letters, id, ids).map(({ raw }) => raw);
        return { answer: count + gone.length, gone };
      }),
  };
}
