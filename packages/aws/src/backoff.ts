import type { Clock } from '@nest-messaging/core/contract';

/** Milliseconds. Back within the time in which health is expected to recover, even after a long outage. */
const FIRST = 100;
const LONGEST = 3_000;
/** So that not all come back at the same moment. */
const JITTER = 0.2;

/** Longer and longer waits. */
export interface Backoff {
  /** Waits, or less if `signal` aborts; never rejects. */
  wait(signal: AbortSignal): Promise<void>;
  /** It worked: the next wait is a short one. */
  reset(): void;
}

export function createBackoff(clock: Clock): Backoff {
  let next = FIRST;
  return {
    wait(signal) {
      const ms = next * (1 + JITTER * (Math.random() - 0.5));
      next = Math.min(next * 2, LONGEST);
      return pause(clock, ms, signal);
    },
    reset() {
      next = FIRST;
    },
  };
}

/**
 * Resolves after `ms`, or as soon as one of the signals aborts. (On Node 20 each `AbortSignal.any` leaves something
 * behind with a signal that outlives it.)
 */
export function pause(clock: Clock, ms: number, ...signals: AbortSignal[]): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some(({ aborted }) => aborted)) return resolve();
    const done = (): void => {
      cancel();
      for (const signal of signals) signal.removeEventListener('abort', done);
      resolve();
    };
    const cancel = clock.schedule(done, ms);
    for (const signal of signals) signal.addEventListener('abort', done);
  });
}
