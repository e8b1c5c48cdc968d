import { HandlerTimeoutError, type Clock } from '../contract/index.js';
import { deferred } from './deferred.js';

/**
 * Rejects as `run` does, or after `ms`; then the signal that it was given aborts, too. So it does where `lost` aborts
 * before.
 */
export type TimeLimit = <T>(
  ms: number,
  run: (signal: AbortSignal) => Promise<T>,
  lost?: AbortSignal,
) => Promise<T>;

/** @param deadline ends all runs once it aborts */
export function createTimeLimit(clock: Clock, deadline: AbortSignal): TimeLimit {
  /**
   * One listener for all that the engine runs: a signal with a listener for each message is slow, and one for each
   * handler, or each time that it was resumed, would stay as long as the application. Node warns of both.
   */
  const running = new Set<(error: unknown) => void>();
  deadline.addEventListener('abort', () => running.forEach((giveUp) => giveUp(deadline.reason)));

  return async (ms, run, lost) => {
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
