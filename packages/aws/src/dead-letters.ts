import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  type Message as SqsMessage,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import {
  atATime,
  createTurnstile,
  describeSubscription,
  InvalidMessageError,
  noPosition,
  sendTaken,
  takeOut,
  TopologyError,
  type Browsing,
  type Clock,
  type DeadLetterContent,
  type DeadLetteredMessage,
  type DeadLetterStore,
  type SubscriptionId,
  type Taken,
  type Taking,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { answered, isReceiptOver } from './errors.js';
import { subscriptionNames, type Owner } from './names.js';
import type { Payloads } from './payloads.js';
import type { Queue, Queues } from './queues.js';
import { outcomes, type Sending } from './sending.js';
import { copyOf, readDeadLetter, shortened, toParcel } from './wire.js';
import { placeOf, topicMark } from './work.js';

export interface DeadLettersParts {
  readonly owner: Owner;
  readonly sqs: SQSClient;
  readonly queues: Queues;
  readonly sending: Sending;
  readonly payloads: Payloads;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
  /** Aborts when the transport is closed. */
  readonly closed: AbortSignal;
}

/** Whoever looks has the letters to itself for so long, in seconds; then they are seen again if it has died. */
const LOOK = 300;
/** Milliseconds until what is looked at for longer is kept for as long again. */
const PROLONG = 100_000;
/** Letters in memory at a time. */
const SLICE = 1_000;
const ENTRIES = 10;
/** Requests on their way at a time. */
const AT_A_TIME = 8;

interface Found {
  readonly raw: SqsMessage;
  readonly letter: DeadLetteredMessage;
}

/** A look at a queue of dead letters, under way. */
interface Look {
  readonly queue: Queue;
  /** All there are, some at a time, each time the oldest first. */
  readonly slices: AsyncGenerator<Found[], void, undefined>;
  readonly remove: (some: readonly Found[]) => Promise<Taken<Found>>;
  /** Puts back what was not removed. Never rejects: what cannot be put back comes back by itself. */
  readonly end: () => Promise<void>;
}

const sentAt = ({ Attributes }: SqsMessage): number => Number(Attributes?.SentTimestamp) || 0;

const inTens = <T>(list: readonly T[]): T[][] =>
  Array.from({ length: Math.ceil(list.length / ENTRIES) }, (_, at) =>
    list.slice(at * ENTRIES, (at + 1) * ENTRIES),
  );

/** Sorts as the times do. */
const POSITION = /^\d{15}\/./;
const byPosition = (a: Found, b: Found): number => (a.letter.position < b.letter.position ? -1 : 1);

/**
 * SQS has no way to look at messages but to receive them, so that letters are received, looked at, and made visible
 * again at once. Two who look at the same time see a part each. Nothing can be begun in the middle, and SQS gives them
 * out in an order that is only about theirs: whoever wants the oldest few has to see them all.
 */
export function createDeadLetters({
  owner,
  sqs,
  queues,
  sending,
  payloads,
  clock,
  report,
  closed,
}: DeadLettersParts): DeadLetterStore {
  /** One look at a queue at a time, since what one has in hand another does not see. */
  const turnAt = createTurnstile();

  const count = async ({ url }: Queue): Promise<number> => {
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl: url, AttributeNames: ['ApproximateNumberOfMessages'] }),
    );
    return Number(Attributes?.ApproximateNumberOfMessages ?? 0);
  };

  /** Never rejects: answers of how many the time could not be changed, and why. Once `over` aborts, no more requests begin. */
  const setVisible = async (
    { url }: Queue,
    handles: readonly string[],
    seconds: number,
    over?: AbortSignal,
  ): Promise<{ readonly count: number; readonly error: unknown }> => {
    let count = 0;
    let error: unknown;
    let away = false;
    const change = async (ten: readonly string[]): Promise<readonly unknown[]> => {
      const Entries = ten.map((ReceiptHandle, at) => ({
        Id: `${at}`,
        ReceiptHandle,
        VisibilityTimeout: seconds,
      }));
      try {
        if (away) return ten.map(() => error);
        const command = new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries });
        return outcomes(ten.length, await sqs.send(command));
      } catch (failure) {
        // Whoever did not answer would not answer to the others either, each time as late.
        away ||= !answered(failure);
        return ten.map(() => failure);
      }
    };
    await atATime(AT_A_TIME, inTens(handles), async (ten) => {
      if (over?.aborted) return;
      for (const failure of await change(ten)) {
        // One that is over has been taken by another, or is seen again already.
        if (failure === undefined || isReceiptOver(failure)) continue;
        count++;
        error ??= failure;
      }
    });
    return { count, error };
  };

  const found = (raw: SqsMessage, id: SubscriptionId): Found => {
    const position = `${String(sentAt(raw)).padStart(15, '0')}/${raw.MessageId}`;
    return { raw, letter: { ...readDeadLetter(raw, id, owner), position } };
  };

  /**
   * All there are now, some at a time. The count is approximate: what is not there yet is waited for a second.
   * @param held receipts by message; what comes a second time, because it could not be kept long enough, is left out
   */
  async function* receiveAll(
    queue: Queue,
    id: SubscriptionId,
    held: Map<string, string>,
  ): AsyncGenerator<Found[], void, undefined> {
    const expected = await count(queue);
    let slice: SqsMessage[] = [];
    for (let received = 0; ;) {
      closed.throwIfAborted();
      const { Messages = [] } = await sqs.send(
        new ReceiveMessageCommand({
          QueueUrl: queue.url,
          MaxNumberOfMessages: ENTRIES,
          VisibilityTimeout: LOOK,
          // One that waits asks all of SQS's servers; one that does not, a few of them.
          WaitTimeSeconds: received > 0 && received >= expected ? 0 : 1,
          MessageSystemAttributeNames: ['All'],
          MessageAttributeNames: ['All'],
        }),
      );
      received += Messages.length;
      slice.push(...Messages.filter(({ MessageId }) => !held.has(MessageId!)));
      for (const { MessageId, ReceiptHandle } of Messages) held.set(MessageId!, ReceiptHandle!);
      if (Messages.length > 0 && slice.length < SLICE) continue;
      if (slice.length > 0)
        yield slice.toSorted((a, b) => sentAt(a) - sentAt(b)).map((raw) => found(raw, id));
      slice = [];
      if (Messages.length === 0) return;
    }
  }

  /** Undefined if there is no such queue. */
  const begin = async (id: SubscriptionId, signal: AbortSignal | undefined): Promise<Look | undefined> => {
    const { dead } = subscriptionNames(owner, id, false);
    const endTurn = await turnAt(dead, signal);
    try {
      const queue = await queues.find(dead);
      if (!queue) {
        endTurn();
        return undefined;
      }
      const held = new Map<string, string>();
      let cancel = (): void => undefined;
      const over = new AbortController();
      const prolonging = new Set<Promise<unknown>>();
      /** Who redrives slowly looks for long. What cannot be prolonged is seen by others, and is tried again. */
      const prolong = (): void => {
        cancel = clock.schedule(() => {
          const one = setVisible(queue, [...held.values()], LOOK, over.signal);
          prolonging.add(one);
          void one.finally(() => prolonging.delete(one));
          prolong();
        }, PROLONG);
      };
      prolong();
      return {
        queue,
        slices: receiveAll(queue, id, held),
        async remove(some) {
          const gone: Found[] = [];
          let failure: Taken<Found>['failure'];
          for (const ten of inTens(some)) {
            const Entries = ten.map(({ raw: { MessageId } }, at) => ({
              Id: `${at}`,
              ReceiptHandle: held.get(MessageId!),
            }));
            try {
              const answer = await sqs.send(new DeleteMessageBatchCommand({ QueueUrl: queue.url, Entries }));
              for (const [at, error] of outcomes(ten.length, answer).entries()) {
                if (error !== undefined) failure ??= { error };
                else if (held.delete(ten[at]!.raw.MessageId!)) gone.push(ten[at]!);
              }
            } catch (error) {
              failure ??= { error };
              if (!answered(error)) break;
            }
          }
          return { gone, failure };
        },
        async end() {
          cancel();
          over.abort();
          // SQS may carry out what is on its way after what is sent later, and would hide what was put back.
          await Promise.all(prolonging);
          const { count: stuck, error } = await setVisible(queue, [...held.values()], 0);
          endTurn();
          if (stuck > 0)
            report({
              type: 'warning',
              message: `dead letters in ${dead} that were looked at and could not be put back at once: ${stuck}; they are seen again within ${LOOK} s`,
              error,
            });
        },
      };
    } catch (error) {
      endTurn();
      throw error;
    }
  };

  async function* chosen(
    { slices }: Look,
    { select, signal, after = '' }: Browsing,
  ): AsyncGenerator<Found, void, undefined> {
    for await (const slice of slices)
      for (const one of slice) {
        signal?.throwIfAborted();
        if (one.letter.position > after && ((await select?.(one.letter)) ?? true)) yield one;
      }
  }

  async function* oldest(
    letters: AsyncIterable<Found>,
    limit: number,
  ): AsyncGenerator<Found, void, undefined> {
    let kept: Found[] = [];
    const cut = (): void => void (kept = kept.sort(byPosition).slice(0, limit));
    for await (const one of letters) if (kept.push(one) >= limit + SLICE) cut();
    cut();
    yield* kept;
  }

  /**
   * The name of the queue where a letter came from; what SQS itself moved does not say.
   * @throws {InvalidMessageError} if that is none of its subscription's
   */
  const homeOf = (id: SubscriptionId, { message, origin }: DeadLetterContent): string => {
    const [standard, fifo] = [false, true].map((ordered) => subscriptionNames(owner, id, ordered).queue);
    if (origin === undefined) return standard!;
    if (origin === standard || origin === fifo) return origin;
    throw new InvalidMessageError(
      `dead letter ${message.id} comes from '${origin}', and ${describeSubscription(id)} is '${standard}' or '${fifo}': give its own subscription`,
    );
  };

  /** The letter with its body, wherever that is, or why that cannot be had. */
  const whole = async (id: SubscriptionId, { raw, letter }: Found): Promise<DeadLetteredMessage> => {
    try {
      const loaded = await payloads.load(raw, closed);
      return loaded === raw ? letter : { ...letter, message: readDeadLetter(loaded, id, owner).message };
    } catch (error) {
      return { ...letter, unreadable: (error as Error).message };
    }
  };

  const placeFor = async (id: SubscriptionId): Promise<Queue> => {
    const { dead } = subscriptionNames(owner, id, false);
    const queue = await queues.find(dead);
    if (queue) return queue;
    throw new TopologyError(
      `queue '${dead}' does not exist: there is nowhere to set aside what is of ${describeSubscription(id)}`,
    );
  };

  const take = async (
    id: SubscriptionId,
    taking: Taking | undefined,
    first: (found: Found) => Promise<void>,
  ): Promise<number> => {
    const look = await begin(id, taking?.signal);
    if (!look) return 0;
    const { slices, remove, end } = look;
    async function* each(): AsyncGenerator<Found, void, undefined> {
      for await (const slice of slices) yield* slice;
    }
    const settle = async (some: readonly Found[]): Promise<Taken<Found>> => {
      const ended = await Promise.allSettled(some.map(first));
      const done = some.filter((_, at) => ended[at]!.status === 'fulfilled');
      const failed = ended.find((one) => one.status === 'rejected');
      const { gone, failure } = await remove(done);
      return { gone, failure: failed ? { error: failed.reason } : failure };
    };
    try {
      return await takeOut(each(), taking ?? {}, settle);
    } finally {
      await end();
    }
  };

  return {
    async check(id) {
      await placeFor(id);
    },

    async *browse(id, browsing = {}) {
      const { limit, bodies = true, after } = browsing;
      if (after !== undefined && !POSITION.test(after)) throw noPosition(after);
      if (limit !== undefined && limit < 1) return;
      const look = await begin(id, browsing.signal);
      if (!look) return;
      try {
        const letters = chosen(look, browsing);
        for await (const one of limit === undefined ? letters : oldest(letters, limit))
          yield bodies ? await whole(id, one) : one.letter;
      } finally {
        await look.end();
      }
    },

    redrive(id, { select, onGone, ...taking } = {}) {
      // One that has failed again cannot be told from one that was here before but by its id.
      const redriven = new Set<string>();
      return take(
        id,
        {
          ...taking,
          select: (letter) => !redriven.has(letter.message.id) && (select?.(letter) ?? true),
          onGone: (letter) => {
            redriven.add(letter.message.id);
            onGone?.(letter);
          },
        },
        async ({ raw, letter }) => {
          const home = await queues.ensure(homeOf(id, letter), { what: describeSubscription(id) });
          const { message } = letter;
          const place = placeOf(message.key, message.id, 'redrive');
          const key = message.key === undefined ? {} : { key: message.key };
          const copy = copyOf(raw, { id: message.id, ...topicMark(id.source, message), ...key });
          await sendTaken(clock, closed, (signal) => sending.toQueue(home.url, copy, place, 0, signal));
        },
      );
    },

    purge: (id, taking) => take(id, taking, async () => {}),

    async restore(id, letter, signal = closed) {
      const { message, failure, attempts, group, firstFailedAt, origin } = letter;
      homeOf(id, letter);
      const queue = queues.known(subscriptionNames(owner, id, false).dead) ?? (await placeFor(id));
      const parcel = toParcel(message, {
        id: message.id,
        failure: shortened(failure),
        attempts,
        group,
        firstFailedAt,
        ...topicMark(id.source, message),
        ...(origin === undefined ? {} : { to: { kind: 'queue', name: origin } }),
      });
      const place = placeOf(message.key, message.id, 'restore');
      const stored = await payloads.store(parcel, message.contentType, signal);
      await sending.toQueue(queue.url, stored, place, 0, signal);
    },
  };
}
