import { pause, type Clock } from '@nest-messaging/core/contract';
import { isReceiptOver } from './errors.js';
import type { Receipt } from './receipts.js';

/** A message that others must not see while it is in hand. */
export interface Kept extends Receipt {
  /** When its newest receipt came, in milliseconds since 1970. */
  since: number;
  /** When others see it unless it is prolonged. */
  visibleAt: number;
  /** Others may have it. */
  gone: boolean;
  readonly lost: AbortController;
}

export interface KeepingParts<Message extends Kept> {
  /** All that is in hand. */
  readonly kept: Iterable<Message>;
  /** Milliseconds. */
  readonly visibilityTimeout: number;
  readonly clock: Clock;
  readonly prolong: (message: Message, seconds: number) => Promise<void>;
  /** Prolonging failed, and is tried again. */
  readonly failed: (error: unknown) => void;
  readonly onLost: (message: Message, why: unknown) => void;
  readonly until: AbortSignal;
}

/** Milliseconds between two looks at all that is kept. */
const LOOK = 1_000;

/**
 * From its receipt on a message can be kept from others for 12 hours in all, and SQS began to count before the answer
 * was here. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_ChangeMessageVisibility.html
 */
const LONGEST_HOLD = 12 * 60 * 60 * 1_000 - 60_000;

/** SQS counts in seconds. */
export const secondsOf = (ms: number): number => Math.ceil(ms / 1_000);

/**
 * Prolongs what is in hand when half of its time is over. What cannot be prolonged is tried again at each look; it is
 * lost when its time has run out, or at once when its receipt is no good any more.
 */
export async function keep<Message extends Kept>(parts: KeepingParts<Message>): Promise<void> {
  const { kept, visibilityTimeout, clock, prolong, failed, onLost, until } = parts;
  const trying = new Set<Message>();
  /** Weak: one that ends before prolonging has succeeded leaves nothing of itself here. */
  const tried = new WeakSet<Message>();

  const lose = (message: Message, why: unknown): void => {
    message.gone = true;
    message.lost.abort(why);
    onLost(message, why);
  };

  const extend = async (message: Message, now: number, seconds: number): Promise<void> => {
    const { handle } = message;
    trying.add(message);
    tried.add(message);
    try {
      await prolong(message, seconds);
      message.visibleAt = Math.max(message.visibleAt, now + seconds * 1_000);
      tried.delete(message);
    } catch (error) {
      failed(error);
      if (isReceiptOver(error) && message.handle === handle && !message.gone) lose(message, error);
    } finally {
      trying.delete(message);
    }
  };

  const look = (message: Message, now: number): void => {
    if (message.gone) return;
    const left = Math.floor((message.since + LONGEST_HOLD - now) / 1_000);
    const seconds = Math.min(secondsOf(visibilityTimeout), left);
    if (now >= message.visibleAt && (tried.has(message) || seconds < 1))
      return lose(message, new Error('the message could not be kept from others for any longer'));
    if (message.visibleAt - now > visibilityTimeout / 2 || trying.has(message) || seconds < 1) return;
    void extend(message, now, seconds);
  };

  while (!until.aborted) {
    await pause(clock, Math.min(LOOK, visibilityTimeout / 10), until);
    const now = clock.now();
    for (const message of kept) look(message, now);
  }
}
