import { HandlerTimeoutError, type Clock } from '../contract/index.js';
import { deferred } from './deferred.js';

/**
 * Rejects as `run` does, or when its time is up; then the signal that it was given aborts, too. So it does where `lost`
 * aborts before.
 */
export type TimeLimit = <T>(run: (signal: AbortSignal) => Promise<T>, lost?: AbortSignal) => Promise<T>;

/**
 * @param ms time of each run
 * @param deadline ends all of them once it aborts
 */
export function createTimeLimit(ms: number, clock: Clock, deadline: AbortSignal): TimeLimit {
  /** One listener for all: a signal with a listener for each message is slow, and Node warns of it. */
  const running = new Set<(error: unknown) => void>();
  deadline.addEventListener('abort', () => running.forEach((giveUp) => giveUp(deadline.reason)));

  return async (run, lost) => {
    const controller = new AbortController();
    const late = deferred<never>();
    const giveUp = (error: unknown): void => {
      late.reject(error);
      controller.abort(error);
    };
    const cancelTimer = clock.schedule(
      () => giveUp(new HandlerTimeoutError(`the handler ran longer than ${ms} ms`)),
      ms,
    );
    running.add(giveUp);
    const end = (): void => giveUp(lost?.reason);
    lost?.addEventListener('abort', end, { once: true });
    try {
      return await Promise.race([run(controller.signal), late.promise]);
    } finally {
      cancelTimer();
      running.delete(giveUp);
      lost?.removeEventListener('abort', end);
    }
  };
}
