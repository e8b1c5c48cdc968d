import type { Duration } from './duration.js';
import { milliseconds } from './duration.js';
import { MessagingError } from './errors.js';

/** Thrown by a handler: hand the message over again after this delay, whatever the backoff says. Counts as an attempt. */
export class RetryLater extends MessagingError {
  /** Milliseconds. */
  readonly delay: number;

  constructor(delay: Duration, details?: { readonly cause?: unknown }) {
    super('RETRY_LATER', `to be retried after ${delay}${typeof delay === 'number' ? 'ms' : ''}`, details);
    this.delay = milliseconds(delay);
  }
}

/** Thrown by a handler: set the message aside now, without further attempts. */
export class DeadLetter extends MessagingError {
  constructor(reason: string, details?: { readonly cause?: unknown }) {
    super('DEAD_LETTER', reason, details);
  }
}

/** Thrown by a handler: the message is of no use; acknowledge it, and count it as discarded. */
export class Discard extends MessagingError {
  constructor(reason: string, details?: { readonly cause?: unknown }) {
    super('DISCARD', reason, details);
  }
}
