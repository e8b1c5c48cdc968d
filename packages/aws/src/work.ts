import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import {
  isPattern,
  pause,
  type Clock,
  type DeliveryHandler,
  type Destination,
  type Failure,
  type Message,
  type MessagingError,
  type Settlement,
  type Subscription,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { End, Work } from './consumer.js';
import { isUnreadable, type Payloads } from './payloads.js';
import type { Owner } from './names.js';
import type { Queue } from './queues.js';
import type { Place, Sending } from './sending.js';
import { createTurns } from './turns.js';
import { copyOf, read, shortened, type Marks } from './wire.js';

export interface WorkParts {
  readonly owner: Owner;
  readonly subscription: Subscription;
  /** The subscription in words. */
  readonly what: string;
  readonly queue: Queue;
  /** Undefined for a broadcast. */
  readonly dead: Queue | undefined;
  readonly handle: DeliveryHandler;
  readonly sending: Sending;
  readonly payloads: Payloads;
  readonly clock: Clock;
  /** Aborts when the transport waits for nothing more. */
  readonly abandoned: AbortSignal;
  readonly report: (event: TransportEvent) => void;
}

/** Longest delay of a message that SQS itself keeps, in milliseconds. */
export const LONGEST_STEP = 900_000;
/** Milliseconds until a message whose settlement could not be carried out is handed over again. */
const AGAIN_AFTER = 1_000;
/** The same for one whose body cannot be had from S3, at most: twice as long after each receipt. */
const UNREAD_AT_MOST = 5 * 60_000;

/** Whole seconds of a delay, as far as SQS has them; what is left is waited for where it is received. */
export const delaySeconds = (left: number): number =>
  Math.floor(Math.min(Math.max(0, left), LONGEST_STEP) / 1_000);

/** Copies get a deduplication id of their own: under the old one SQS drops them, though the original is deleted. */
let copies = 0;
const run = Math.random().toString(36).slice(2);
export const placeOf = (key: string | undefined, id: string, purpose: string): Place => ({
  key: key ?? id,
  deduplication: `${id}/${purpose}/${run}-${++copies}`,
});

/** Under a pattern SNS says which topic it was, and SQS does not of a copy. */
export const topicMark = (source: Destination, { destination }: Message): Pick<Marks, 'topic'> =>
  isPattern(source.name) ? { topic: destination.name } : {};

const failureOf = (error: unknown, at: number): Failure => {
  const { name, message, code } = error as MessagingError;
  return { name, message, code, at };
};

/** Hands messages to the engine, and carries out what it decides. */
export function workOn(parts: WorkParts): (raw: SqsMessage, leaving: AbortSignal, lost: AbortSignal) => Work {
  const { owner, subscription, queue, dead, handle, sending, payloads, clock, report } = parts;
  // Where order counts, and where nobody but this process has the message, it cannot come back behind others.
  const inPlace = subscription.ordered || dead === undefined;
  const turns = createTurns();

  return (raw, leaving, lost) => {
    const { message, marks, attempt: first } = read(raw, subscription.source, owner);
    const takenAt = clock.now();
    const firstFailedAt = marks.firstFailedAt ?? takenAt;
    let attempt = first;

    const copy = (to: Queue, purpose: string, own: Marks, delay = 0): Promise<void> =>
      sending.toQueue(
        to.url,
        copyOf(raw, {
          id: message.id,
          ...(message.key === undefined ? {} : { key: message.key }),
          ...topicMark(subscription.source, message),
          ...own,
        }),
        placeOf(message.key, message.id, purpose),
        delaySeconds(delay),
        parts.abandoned,
      );

    const retry = async (delay: number): Promise<End> => {
      if (inPlace) {
        await pause(clock, delay, leaving);
        if (leaving.aborted) return { visibleAfter: 0 };
        attempt++;
        return 'again';
      }
      await copy(queue, 'retry', { attempt: attempt + 1, due: clock.now() + delay, firstFailedAt }, delay);
      return 'done';
    };

    const carryOut = async (settlement: Settlement): Promise<End> => {
      switch (settlement.type) {
        case 'acknowledge':
          return 'done';
        case 'retry':
          return retry(settlement.delay);
        case 'release':
          return { visibleAfter: 0 };
        case 'dead-letter': {
          if (!dead) return 'done';
          const { failure, attempts } = settlement;
          const to = { kind: 'queue', name: queue.name } as const;
          await copy(dead, 'dead', {
            failure: shortened(failure),
            attempts,
            group: subscription.group,
            firstFailedAt,
            to,
          });
          return 'done';
        }
      }
    };

    const orAgain = async (settlement: Settlement): Promise<End> => {
      for (;;) {
        try {
          const end = await carryOut(settlement);
          settlement.carriedOut?.();
          return end;
        } catch (error) {
          if (parts.abandoned.aborted) return { visibleAfter: 0 };
          report({
            type: 'settlement-failed',
            settlement: settlement.type,
            subscription: parts.what,
            group: subscription.group,
            messageId: message.id,
            destination: message.destination,
            attempt,
            error,
          });
          // Those of its key that were received with it would overtake it.
          if (inPlace) await pause(clock, AGAIN_AFTER, leaving);
          if (inPlace && !leaving.aborted) continue;
          settlement.carriedOut?.(error);
          return { visibleAfter: inPlace ? 0 : AGAIN_AFTER };
        }
      }
    };

    const decide = async (whole: SqsMessage): Promise<Settlement> => {
      const own = whole === raw ? message : read(whole, subscription.source, owner).message;
      try {
        return await handle({ message: own, attempt, deaths: 0, raw, leaving, lost });
      } catch (error) {
        report({
          type: 'warning',
          message: `the handler of ${parts.what} rejected: message ${message.id} is returned`,
          error,
        });
        return { type: 'release' };
      }
    };

    const deadLetter =
      (error: unknown): (() => Promise<End>) =>
      () =>
        orAgain({ type: 'dead-letter', failure: failureOf(error, clock.now()), attempts: attempt - 1 });

    /** The message with its body, be that in S3; or what becomes of one whose body cannot be had. */
    const load = async (): Promise<SqsMessage | (() => Promise<End>)> => {
      for (let tries = Number(raw.Attributes?.ApproximateReceiveCount) || 1; ; tries++) {
        try {
          return await payloads.load(raw, parts.abandoned);
        } catch (error) {
          if (parts.abandoned.aborted) return async () => ({ visibleAfter: 0 });
          const fate = isUnreadable(error) ? 'it is set aside' : 'it is tried again';
          report({
            type: 'warning',
            message: `the body of message ${message.id} for ${parts.what} could not be read from S3: ${fate}`,
            error,
          });
          if (isUnreadable(error)) return deadLetter(error);
          const visibleAfter = Math.min(AGAIN_AFTER * 2 ** (tries - 1), UNREAD_AT_MOST);
          if (!inPlace) return async () => ({ visibleAfter });
          // Those of its key that were received with it would overtake it.
          await pause(clock, visibleAfter, leaving);
          if (leaving.aborted || lost.aborted) return async () => ({ visibleAfter: 0 });
        }
      }
    };

    /** Hands it over, and does not wait for what is decided. */
    const begin = async (): Promise<{ readonly settlement: Promise<Settlement> } | (() => Promise<End>)> => {
      const whole = await load();
      return typeof whole === 'function' ? whole : { settlement: decide(whole) };
    };

    /** Not due yet: another step, or the rest of a second. */
    const early = async (): Promise<(() => Promise<End>) | undefined> => {
      const left = (marks.due ?? 0) - clock.now();
      if (left <= 0 || inPlace) return undefined;
      if (left < 1_000) {
        await pause(clock, left, leaving);
        return leaving.aborted ? async () => ({ visibleAfter: 0 }) : undefined;
      }
      return async () => {
        try {
          await copy(queue, 'wait', { ...marks, due: marks.due! }, left);
          return 'done';
        } catch {
          return { visibleAfter: Math.min(left, LONGEST_STEP) };
        }
      };
    };

    return async () => {
      const waits = await early();
      if (waits) return waits;
      // A small one must not be handed over before a large one of its key that is still being read.
      const begun = await (subscription.ordered ? turns(message.key ?? '', begin) : begin());
      if (typeof begun === 'function') return begun;
      const settlement = await begun.settlement;
      return () => orAgain(settlement);
    };
  };
}
