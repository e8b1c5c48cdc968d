import type { Clock } from './clock.js';
import { whenAborted } from './when-aborted.js';

/**
 * Resolves after `ms` milliseconds, or as soon as one of the signals aborts. (On Node 20 each `AbortSignal.any` leaves
 * something behind with a signal that outlives it, which adds up over days of heartbeats.)
 */
export function pause(
  clock: Clock,
  ms: number,
  ...signals: readonly (AbortSignal | undefined)[]
): Promise<void> {
  return new Promise((resolve) => {
    if (signals.some((signal) => signal?.aborted)) return resolve();
    const done = (): void => {
      cancel();
      for (const leave of leaving) leave?.();
      resolve();
    };
    const cancel = clock.schedule(done, ms);
    const leaving = signals.map((signal) => signal && whenAborted(signal, done));
  });
}
