import { createBackoff, MessagingError, whenAborted, type Clock } from '@nest-messaging/core/contract';
import { isRetryable } from './errors.js';

/**
 * Tries again while the services cannot be reached, or know nobody by the credentials: people mend those, and what was
 * published waits meanwhile.
 * @throws the reason of the signal, or of the closing, once either aborts; whatever trying again does not help
 */
export type Patiently = <T>(signal: AbortSignal, work: () => Promise<T>) => Promise<T>;

export interface PatienceParts {
  readonly clock: Clock;
  /** Something failed that is tried again. */
  readonly failed: (error: unknown) => void;
  readonly closed: AbortSignal;
}

export function createPatience({ clock, failed, closed }: PatienceParts): Patiently {
  /** One listener for all: a signal with one for each publish is slow. */
  const waiting = new Set<() => void>();
  closed.addEventListener('abort', () => waiting.forEach((giveUp) => giveUp()));

  /** Rejects as soon as either aborts, however long the work takes. */
  const orAborted = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    let giveUp = (): void => undefined;
    const aborted = new Promise<never>((_, reject) => {
      giveUp = () => reject((closed.aborted ? closed : signal).reason as Error);
      if (closed.aborted || signal.aborted) giveUp();
    });
    waiting.add(giveUp);
    const ignore = whenAborted(signal, giveUp);
    try {
      return await Promise.race([aborted, work()]);
    } finally {
      waiting.delete(giveUp);
      ignore();
    }
  };

  return async (signal, work) => {
    const backoff = createBackoff(clock);
    for (;;) {
      try {
        return await orAborted(signal, work);
      } catch (error) {
        if (signal.aborted || closed.aborted || error instanceof MessagingError) throw error;
        if (!isRetryable(error)) throw error;
        failed(error);
        await orAborted(signal, () => backoff.wait(signal));
      }
    }
  };
}
