import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  ReceiveMessageCommand,
  type Message as SqsMessage,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Clock } from '@nest-messaging/core/contract';
import { createBackoff, pause } from './backoff.js';
import { createBatches } from './batches.js';
import type { Connection } from './connection.js';
import { isMissing, isRetryable } from './errors.js';
import type { Queue } from './queues.js';
import { outcomes } from './sending.js';

/** `done`: deleted. `again`: worked on anew. A number: visible to others after so many milliseconds. */
export type End = 'done' | 'again' | { readonly visibleAfter: number };

/** Works on one message: first decides what becomes of it, then carries that out. Neither rejects. */
export type Work = () => Promise<() => Promise<End>>;

/** Takes from one queue. */
export interface Consumer {
  /** Why it does not work now; undefined while it does. */
  readonly problem: string | undefined;
  /** Takes nothing more; resolves when all that is in hand has ended. Never rejects. */
  stop(): Promise<void>;
  /** As `stop`, but what is not decided yet is made visible at once. */
  abandon(): Promise<void>;
}

export interface ConsumerParts {
  /** Apart from the one that sends: long polls must not keep its sockets. */
  readonly polling: SQSClient;
  readonly sqs: SQSClient;
  readonly queue: Queue;
  readonly connection: Connection;
  /** `leaving` aborts when it is to end soon. */
  readonly work: (raw: SqsMessage, leaving: AbortSignal) => Work;
  /** Messages in hand at a time. */
  readonly maxInHand: number;
  /** Milliseconds. */
  readonly visibilityTimeout: number;
  readonly linger: number;
  readonly clock: Clock;
  readonly warn: (message: string, error: unknown) => void;
}

/** SQS's limits. */
const MOST_AT_ONCE = 10;
const LONGEST_POLL = 20;
const LONGEST_HOLD = 12 * 60 * 60 * 1_000;
/** Requests of one consumer at a time, while there is a backlog. */
const MOST_POLLS = 8;
/** What decided settlements may take when nothing else is waited for, in milliseconds. */
const CARRY_OUT_WITHIN = 4_000;

interface Held {
  readonly raw: SqsMessage;
  readonly since: number;
  /** When it was last prolonged. */
  extended: number;
}

interface Change {
  readonly handle: string;
  readonly seconds: number;
}

export function createConsumer(parts: ConsumerParts): Consumer {
  const { polling, sqs, queue, connection, maxInHand, visibilityTimeout, linger, clock, warn } = parts;
  const QueueUrl = queue.url;
  const leaving = new AbortController();
  const held = new Set<Held>();
  const undecided = new Set<Held>();
  const quiet = new Set<() => void>();
  let asked = 0;
  let polls = 0;
  let problem: string | undefined;
  let freed: (() => void) | undefined;
  let ending: Promise<void> | undefined;
  let abandoning: Promise<void> | undefined;

  const small = { size: () => 0, bytes: Number.POSITIVE_INFINITY, linger, clock };
  const deletions = createBatches<string>({
    ...small,
    send: async (handles) =>
      outcomes(
        handles.length,
        await sqs.send(
          new DeleteMessageBatchCommand({
            QueueUrl,
            Entries: handles.map((ReceiptHandle, at) => ({ Id: `${at}`, ReceiptHandle })),
          }),
        ),
      ),
  });
  const changes = createBatches<Change>({
    ...small,
    send: async (items) =>
      outcomes(
        items.length,
        await sqs.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl,
            Entries: items.map(({ handle, seconds }, at) => ({
              Id: `${at}`,
              ReceiptHandle: handle,
              VisibilityTimeout: seconds,
            })),
          }),
        ),
      ),
  });

  const room = (): number => maxInHand - held.size - asked;

  const receive = async (count: number, wait: number): Promise<SqsMessage[]> => {
    asked += count;
    try {
      const { Messages = [] } = await polling.send(
        new ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: count,
          WaitTimeSeconds: wait,
          VisibilityTimeout: Math.ceil(visibilityTimeout / 1_000),
          MessageSystemAttributeNames: ['All'],
          MessageAttributeNames: ['All'],
        }),
        { abortSignal: leaving.signal },
      );
      return Messages;
    } finally {
      asked -= count;
    }
  };

  /** Asks again and again; one that helps with a backlog ends when there is none any more. */
  const poll = async (helps: boolean): Promise<void> => {
    const backoff = createBackoff(clock);
    while (!leaving.signal.aborted) {
      const count = Math.min(MOST_AT_ONCE, room());
      if (count <= 0) {
        if (helps) return;
        await new Promise<void>((resolve) => (freed = resolve));
        continue;
      }
      try {
        const messages = await receive(count, helps ? 0 : LONGEST_POLL);
        problem = undefined;
        backoff.reset();
        // What came while it was told to stop goes back at once.
        for (const raw of messages) take(raw);
        if (helps && messages.length < count) return;
        if (messages.length === count) help();
      } catch (error) {
        if (leaving.signal.aborted) return;
        connection.failed(error);
        problem = isMissing(error)
          ? `queue '${queue.name}' does not exist any more`
          : (error as Error).message;
        if (helps) return;
        await backoff.wait(leaving.signal);
      }
    }
  };

  const help = (): void => {
    if (polls >= MOST_POLLS || room() <= 0) return;
    polls++;
    void poll(true).finally(() => polls--);
  };

  const take = (raw: SqsMessage): void => {
    if (leaving.signal.aborted) {
      void show(raw, 0);
      return;
    }
    const now = clock.now();
    const one: Held = { raw, since: now, extended: now };
    held.add(one);
    void carry(one);
  };

  const carry = async (one: Held): Promise<void> => {
    const work = parts.work(one.raw, leaving.signal);
    for (;;) {
      undecided.add(one);
      const carryOut = await work();
      if (!undecided.delete(one)) return;
      const how = await carryOut();
      if (how === 'again') continue;
      await (how === 'done' ? remove(one.raw) : show(one.raw, how.visibleAfter));
      return end(one);
    }
  };

  const end = (one: Held): void => {
    held.delete(one);
    freed?.();
    freed = undefined;
    if (held.size === 0) for (const resolve of quiet) resolve();
  };

  /** Several times if need be: a message that is done and not deleted comes again. */
  const remove = async ({ ReceiptHandle, MessageId }: SqsMessage): Promise<void> => {
    const backoff = createBackoff(clock);
    for (let tries = 1; ; tries++) {
      try {
        return await deletions.add(ReceiptHandle!);
      } catch (error) {
        connection.failed(error);
        if (tries === 5 || !isRetryable(error))
          return warn(`message ${MessageId} is done and could not be deleted: it comes again`, error);
        await backoff.wait(new AbortController().signal);
      }
    }
  };

  /** Makes it visible to others. Where that fails, SQS does when its time is up. */
  const show = async ({ ReceiptHandle }: SqsMessage, after: number): Promise<void> => {
    try {
      await changes.add({ handle: ReceiptHandle!, seconds: Math.min(Math.ceil(after / 1_000), 43_200) });
    } catch (error) {
      connection.failed(error);
    }
  };

  /** Nobody else sees what is in hand for as long as it is. */
  const prolong = async (): Promise<void> => {
    const often = visibilityTimeout / 3;
    while (!stopped.signal.aborted) {
      await pause(clock, often, stopped.signal);
      const now = clock.now();
      for (const one of held) {
        if (now - one.extended < often) continue;
        const left = LONGEST_HOLD - (now - one.since) - 1_000;
        if (left <= 0) continue;
        one.extended = now;
        const seconds = Math.floor(Math.min(visibilityTimeout, left) / 1_000);
        changes
          .add({ handle: one.raw.ReceiptHandle!, seconds: Math.max(1, seconds) })
          .catch((error: unknown) => {
            connection.failed(error);
            // Tried again at the next time, before it is too late; a receipt that is no good any more is told.
            one.extended = 0;
            if (held.has(one) && !isRetryable(error))
              warn(
                `message ${one.raw.MessageId} could not be kept from others while its handler runs`,
                error,
              );
          });
      }
    }
  };

  const stopped = new AbortController();
  void poll(false);
  void prolong();

  const allEnded = (): Promise<void> =>
    held.size === 0 ? Promise.resolve() : new Promise((resolve) => quiet.add(resolve));

  const halt = (): void => {
    leaving.abort();
    freed?.();
  };

  return {
    get problem() {
      return problem;
    },
    stop() {
      ending ??= (async () => {
        halt();
        await allEnded();
        await Promise.all([deletions.flush(), changes.flush()]);
        stopped.abort();
      })();
      return ending;
    },
    abandon() {
      abandoning ??= (async () => {
        halt();
        for (const one of undecided) {
          undecided.delete(one);
          void show(one.raw, 0).finally(() => end(one));
        }
        const late = new AbortController();
        await Promise.race([
          allEnded().then(() => Promise.all([deletions.flush(), changes.flush()])),
          pause(clock, CARRY_OUT_WITHIN, late.signal),
        ]);
        late.abort();
        stopped.abort();
      })();
      return abandoning;
    },
  };
}
