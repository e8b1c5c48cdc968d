import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import type {
  Clock,
  DeliveryHandler,
  Settlement,
  Subscription,
  TransportEvent,
} from '@nest-messaging/core/contract';
import { pause } from './backoff.js';
import type { End, Work } from './consumer.js';
import type { Queue } from './queues.js';
import type { Place, Sending } from './sending.js';
import { copyOf, read, shortened, type Marks } from './wire.js';

export interface WorkParts {
  readonly subscription: Subscription;
  /** The subscription in words. */
  readonly what: string;
  readonly queue: Queue;
  /** Undefined for a broadcast. */
  readonly dead: Queue | undefined;
  readonly handle: DeliveryHandler;
  readonly sending: Sending;
  readonly clock: Clock;
  /** Aborts when the transport waits for nothing more. */
  readonly abandoned: AbortSignal;
  readonly report: (event: TransportEvent) => void;
}

/** Longest delay of a message that SQS itself keeps, in milliseconds. */
export const LONGEST_STEP = 900_000;
/** Milliseconds until a message whose settlement could not be carried out is handed over again. */
const AGAIN_AFTER = 1_000;

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

/** Hands messages to the engine, and carries out what it decides. */
export function workOn(parts: WorkParts): (raw: SqsMessage, leaving: AbortSignal) => Work {
  const { subscription, queue, dead, handle, sending, clock, report } = parts;
  // Where order counts, and where nobody but this process has the message, it cannot come back behind others.
  const inPlace = subscription.ordered || dead === undefined;

  return (raw, leaving) => {
    const { message, marks, attempt: first } = read(raw, subscription.source);
    const takenAt = clock.now();
    const firstFailedAt = marks.firstFailedAt ?? takenAt;
    let attempt = first;

    const copy = (to: Queue, purpose: string, own: Marks, delay = 0): Promise<void> =>
      sending.toQueue(
        to.url,
        copyOf(raw, { id: message.id, ...(message.key === undefined ? {} : { key: message.key }), ...own }),
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
      try {
        return await carryOut(settlement);
      } catch (error) {
        if (parts.abandoned.aborted) return { visibleAfter: 0 };
        report({
          type: 'settlement-failed',
          settlement: settlement.type,
          subscription: parts.what,
          messageId: message.id,
          error,
        });
        return { visibleAfter: AGAIN_AFTER };
      }
    };

    const decide = async (): Promise<Settlement> => {
      try {
        return await handle({ message, attempt, deaths: 0, raw });
      } catch (error) {
        report({
          type: 'warning',
          message: `the handler of ${parts.what} rejected: message ${message.id} is returned`,
          error,
        });
        return { type: 'release' };
      }
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
      const settlement = await decide();
      return () => orAgain(settlement);
    };
  };
}
