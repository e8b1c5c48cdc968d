import { setMaxListeners } from 'node:events';
import { ReceiveMessageCommand, type Message as SqsMessage, type SQSClient } from '@aws-sdk/client-sqs';
import {
  createBackoff,
  createTurnoverMap,
  createTurnoverSet,
  pause,
  type Clock,
} from '@nest-messaging/core/contract';
import type { Connection } from './connection.js';
import { isDenied, isMissing, isRetryable, isThrottled, said } from './errors.js';
import { keep, secondsOf, type Kept } from './keeping.js';
import type { Queue } from './queues.js';
import { createReceipts } from './receipts.js';
import { createSlots } from './slots.js';
import { isWake, wake } from './wake.js';

/** `done`: deleted. `again`: worked on anew. A number: visible to others after so many milliseconds. */
export type End = 'done' | 'again' | { readonly visibleAfter: number };

/** Works on one message: first decides what becomes of it, then carries that out. Neither rejects. */
export type Work = () => Promise<() => Promise<End>>;

/** Takes from one queue. */
export interface Consumer {
  /** Why it does not work now; undefined while it does. */
  readonly problem: string | undefined;
  /** From now on so many messages are worked on at a time. */
  resize(maxInHand: number): void;
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
  /** The queue is this process's alone, and goes with it. */
  readonly alone?: boolean;
  readonly connection: Connection;
  /** `leaving` aborts when it is to end soon, `lost` when another process may have the message. */
  readonly work: (raw: SqsMessage, leaving: AbortSignal, lost: AbortSignal) => Work;
  /** Messages worked on at a time. */
  readonly maxInHand: number;
  /** Milliseconds. */
  readonly visibilityTimeout: number;
  readonly linger: number;
  /** How long a request waits for messages. */
  readonly longPoll: number;
  readonly clock: Clock;
  readonly warn: (message: string, error: unknown) => void;
}

/** SQS's limits. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ReceiveMessage.html */
const MOST_AT_ONCE = 10;
const LONGEST_HIDING = 43_200;
/** Requests of one consumer at a time, while there is a backlog. */
const MOST_POLLS = 8;
/**
 * Milliseconds that a few free slots wait for more of them, so that a request is worth its price: while handlers end
 * one by one, SQS would otherwise be asked for each message alone.
 */
const PATIENCE = 100;
/** Messages beside those worked on whose settlement is being carried out: a copy to send, a deletion to confirm. */
const MOST_SETTLING = 1_000;
/** What decided settlements may take when nothing else is waited for, in milliseconds. */
const CARRY_OUT_WITHIN = 4_000;

/** Requests that fail in a row, a second's worth: until then it is the connection's matter alone. */
const FAILURES = 4;

/**
 * Milliseconds that an open poll has for its answer when its consumer stops. SQS does not notice that nobody listens any
 * more, and hands the next message to a poll that was cut, for up to the 20 s that it had asked for; nobody sees that
 * message until its visibility time-out is over (https://github.com/aws/aws-sdk-java-v2/issues/1395). So no poll is cut
 * that can be left open: it is woken by a message that means nothing, and whatever it brings is made visible at once.
 * The wake may reach another process's poll, which asks again; so it is sent a few times.
 */
const LAST_ANSWER_WITHIN = 1_000;
const WAKE_EVERY = 100;

interface Held extends Kept {
  readonly raw: SqsMessage;
}

export function createConsumer(parts: ConsumerParts): Consumer {
  const { polling, queue, connection, visibilityTimeout, longPoll, clock, warn } = parts;
  let { maxInHand } = parts;
  const leaving = new AbortController();
  /** Aborts when nothing is carried out any more. */
  const over = new AbortController();
  /** Aborts when nothing is in hand any more. */
  const ended = new AbortController();
  // Each message in hand listens to them, which Node 20 takes for a leak.
  setMaxListeners(0, leaving.signal, over.signal);
  const receipts = createReceipts(parts);
  const slots = createSlots(maxInHand);
  const enough = (): number => Math.min(MOST_AT_ONCE, Math.ceil(maxInHand / 2));
  /** All that has not ended, and among them those whose receipt is still wanted, by SQS's id. */
  const held = createTurnoverSet<Held>();
  const known = createTurnoverMap<string, Held>();
  const undecided = createTurnoverSet<Held>();
  const onEnd = new Set<() => void>();
  const polls = new Set<Promise<void>>();
  const drops = new Set<Promise<void>>();
  let problem: string | undefined;
  let haltedAt: number | undefined;
  let ending: Promise<void> | undefined;
  let abandoning: Promise<void> | undefined;

  const receive = async (count: number, wait: number): Promise<SqsMessage[]> => {
    const answered = slots.ask(count);
    try {
      const { Messages = [] } = await polling.send(
        new ReceiveMessageCommand({
          QueueUrl: queue.url,
          MaxNumberOfMessages: count,
          WaitTimeSeconds: wait,
          VisibilityTimeout: secondsOf(visibilityTimeout),
          MessageSystemAttributeNames: ['All'],
          MessageAttributeNames: ['All'],
        }),
        { abortSignal: over.signal },
      );
      for (const raw of Messages) take(raw);
      return Messages;
    } finally {
      answered();
    }
  };

  /** There is room for a request that is worth its price, or has been for a moment for any. */
  const room = async (): Promise<number> => {
    await slots.until(1, leaving.signal);
    if (slots.free < enough()) {
      const either = new AbortController();
      await Promise.race([
        slots.until(enough(), leaving.signal, either.signal),
        pause(clock, PATIENCE, leaving.signal, either.signal),
      ]);
      either.abort();
    }
    while (held.size >= maxInHand + MOST_SETTLING && !leaving.signal.aborted) await oneEnded();
    return Math.min(MOST_AT_ONCE, slots.free);
  };

  /** Asks again and again. */
  const poll = async (): Promise<void> => {
    const backoff = createBackoff(clock);
    let failures = 0;
    let full = 0;
    while (!leaving.signal.aborted) {
      const count = await room();
      if (leaving.signal.aborted || count < 1) continue;
      try {
        // After a failure a short one shows whether it works again.
        const { length } = await receive(count, failures > 0 ? 0 : secondsOf(longPoll));
        full = length === count ? full + 1 : 0;
        failures = 0;
        problem = undefined;
        backoff.reset();
        if (full > 1) help();
      } catch (error) {
        if (leaving.signal.aborted) return;
        failures++;
        connection.failed(error);
        problem = problemOf(error, failures) ?? problem;
        await backoff.wait(leaving.signal);
      }
    }
  };

  /** Takes part in a backlog until there is none. */
  const assist = async (): Promise<void> => {
    while (!leaving.signal.aborted && slots.free >= enough() && held.size < maxInHand + MOST_SETTLING) {
      const count = Math.min(MOST_AT_ONCE, slots.free);
      // What fails here fails there, too.
      const messages = await receive(count, 0).catch(() => []);
      if (messages.length < count) return;
      help();
    }
  };

  const start = (asking: Promise<void>): void => {
    polls.add(asking);
    void asking.finally(() => polls.delete(asking));
  };

  const help = (): void => {
    if (polls.size < MOST_POLLS && slots.free >= enough() && !leaving.signal.aborted) start(assist());
  };

  /** What may pass is none until it has lasted, and being asked to go slower never is. */
  const problemOf = (error: unknown, failures: number): string | undefined => {
    if (isMissing(error)) return `queue '${queue.name}' does not exist any more`;
    if (isDenied(error))
      return `the credentials do not allow sqs:ReceiveMessage for queue '${queue.name}': grant it`;
    if (isThrottled(error) || (isRetryable(error) && failures < FAILURES)) return undefined;
    return said(error);
  };

  const take = (raw: SqsMessage): void => {
    if (isWake(raw)) return void drop(raw);
    const now = clock.now();
    const receipt = {
      handle: raw.ReceiptHandle!,
      since: now,
      visibleAt: now + secondsOf(visibilityTimeout) * 1_000,
      gone: false,
    };
    const same = known.get(raw.MessageId!);
    // It came a second time while it is in hand: once is enough, and the newest receipt is the one that counts.
    if (same) return void Object.assign(same, receipt);
    const one: Held = { raw, lost: new AbortController(), ...receipt };
    held.add(one);
    known.set(raw.MessageId!, one);
    undecided.add(one);
    void carry(one);
  };

  const carry = async (one: Held): Promise<void> => {
    let work: Work | undefined;
    for (;;) {
      const mayBegin = await slots.enter(leaving.signal);
      if (!mayBegin) return undecided.delete(one) ? settle(one, { visibleAfter: 0 }) : undefined;
      work ??= parts.work(one.raw, leaving.signal, one.lost.signal);
      const carryOut = undecided.has(one) ? await work() : undefined;
      // It is decided: what is left to do keeps no other message waiting.
      slots.leave();
      if (!carryOut || !undecided.delete(one)) return;
      const how = await carryOut();
      if (how !== 'again') return settle(one, how);
      undecided.add(one);
    }
  };

  const settle = async (one: Held, how: Exclude<End, 'again'>): Promise<void> => {
    try {
      if (how === 'done') await remove(one);
      else await show(one, how.visibleAfter);
    } finally {
      forget(one);
      held.delete(one);
      for (const tell of onEnd) tell();
    }
  };

  /** What woke a poll has done so; the process that stops deletes it before it ends. */
  const drop = async ({ ReceiptHandle: handle }: SqsMessage): Promise<void> => {
    const dropped = receipts.remove({ handle: handle! }, over.signal).catch(() => undefined);
    if (leaving.signal.aborted) receipts.flush();
    drops.add(dropped);
    await dropped;
    drops.delete(dropped);
  };

  const forget = (one: Held): void => {
    if (known.get(one.raw.MessageId!) === one) known.delete(one.raw.MessageId!);
  };

  const remove = async (one: Held): Promise<void> => {
    try {
      const removed = receipts.remove(one, over.signal);
      if (leaving.signal.aborted) receipts.flush();
      await removed;
    } catch (error) {
      if (!one.gone)
        warn(`message ${one.raw.MessageId} is done and could not be deleted: it comes again`, error);
    }
  };

  /** Where that fails, SQS does it when its time is up; what others may have is theirs to show. */
  const show = async (one: Held, after: number): Promise<void> => {
    if (one.gone) return;
    // It may be here again before the answer is.
    forget(one);
    const seconds = Math.min(secondsOf(after), LONGEST_HIDING);
    await receipts.show(one, seconds, over.signal).catch(() => undefined);
  };

  const oneEnded = (): Promise<void> =>
    new Promise((resolve) => {
      const tell = (): void => {
        onEnd.delete(tell);
        leaving.signal.removeEventListener('abort', tell);
        resolve();
      };
      onEnd.add(tell);
      leaving.signal.addEventListener('abort', tell, { once: true });
    });

  const allEnded = async (): Promise<void> => {
    await Promise.all(drops);
    while (held.size > 0)
      await new Promise<void>((resolve) => {
        const tell = (): void => {
          onEnd.delete(tell);
          resolve();
        };
        onEnd.add(tell);
      });
  };

  const wakeUp = async (until: AbortSignal): Promise<void> => {
    while (polls.size > 0 && connection.up && !until.aborted) {
      // Without the right, or the service, there is still the wait.
      await wake(parts.sqs, queue).catch(() => undefined);
      await Promise.race([Promise.all(polls), pause(clock, WAKE_EVERY, until)]);
    }
  };

  const lastAnswers = async (): Promise<void> => {
    const late = new AbortController();
    if (!parts.alone) void wakeUp(late.signal);
    const left = haltedAt! + LAST_ANSWER_WITHIN - clock.now();
    await Promise.race([Promise.all(polls), pause(clock, left, late.signal)]);
    late.abort();
  };

  const halt = (): void => {
    haltedAt ??= clock.now();
    leaving.abort();
    receipts.flush();
  };

  start(poll());
  void keep({
    kept: held,
    visibilityTimeout,
    clock,
    prolong: (one, seconds) => receipts.prolong(one, seconds),
    failed: (error) => connection.failed(error),
    onLost: (one, why) => {
      if (undecided.has(one))
        warn(
          `message ${one.raw.MessageId} could not be kept from others while its handler runs: another process may have it`,
          why,
        );
    },
    until: ended.signal,
  });

  return {
    get problem() {
      return problem;
    },
    resize(most) {
      maxInHand = most;
      slots.resize(most);
    },
    stop() {
      ending ??= (async () => {
        halt();
        await lastAnswers();
        await allEnded();
        ended.abort();
      })();
      return ending;
    },
    abandon() {
      abandoning ??= (async () => {
        halt();
        // What a handler has decided at this moment is known here a turn later.
        await new Promise(setImmediate);
        for (const one of undecided) {
          undecided.delete(one);
          void settle(one, { visibleAfter: 0 });
        }
        const late = new AbortController();
        await Promise.race([lastAnswers().then(allEnded), pause(clock, CARRY_OUT_WITHIN, late.signal)]);
        late.abort();
        over.abort(new Error('the transport is closed'));
        ended.abort();
      })();
      return abandoning;
    },
  };
}
