import type { Clock } from './clock.js';
import { pause } from './pause.js';

/** Milliseconds. Back within the time in which health is expected to recover, even after a long outage. */
const FIRST = 100;
const LONGEST = 3_000;
/** So that not all come back at the same moment. */
const JITTER = 0.2;

/** Longer and longer waits. */
export interface Backoff {
  /** Waits, or less if one of the signals aborts; never rejects. */
  wait(...signals: readonly (AbortSignal | undefined)[]): Promise<void>;
  /** It worked: the next wait is a short one. */
  reset(): void;
}

export function createBackoff(clock: Clock): Backoff {
  let next = FIRST;
  return {
    wait(...signals) {
      const ms = next * (1 + JITTER * (Math.random() - 0.5));
      next = Math.min(next * 2, LONGEST);
      return pause(clock, ms, ...signals);
    },
    reset() {
      next = FIRST;
    },
  };
}
