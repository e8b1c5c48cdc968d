import { setMaxListeners } from 'node:events';
import { whenAborted, type Clock } from '../contract/index.js';
import { createCohorts } from './cohorts.js';

/** The time that something has. */
export interface Deadline {
  /** Aborts with {@link TIME_IS_UP}, or as the caller's signal does. */
  readonly signal: AbortSignal;
  /** Nobody waits any more. To be called once by each who was given it. */
  readonly leave: () => void;
}

/** Why a deadline's signal aborts; as the reason of `AbortSignal.timeout`. */
export const TIME_IS_UP = new DOMException('The time is up.', 'TimeoutError');

/** Deadlines so many milliseconds from now. What begins in the same millisecond shares one, with its signal. */
export function createDeadlines(clock: Clock, timeout: number): (given?: AbortSignal) => Deadline {
  const enter = createCohorts({
    clock,
    ms: timeout,
    make: () => {
      const controller = new AbortController();
      // Node 20 takes many listeners of one signal for a leak.
      setMaxListeners(0, controller.signal);
      return controller;
    },
    timeIsUp: (controller) => controller.abort(TIME_IS_UP),
  });

  const own = (given: AbortSignal): Deadline => {
    const controller = new AbortController();
    const give = (): void => controller.abort(given.reason);
    const ignore = whenAborted(given, give);
    const cancel = clock.schedule(() => controller.abort(TIME_IS_UP), timeout);
    if (given.aborted) give();
    return {
      signal: controller.signal,
      leave() {
        cancel();
        ignore();
      },
    };
  };

  const shared = (): Deadline => {
    const { shared: controller, leave } = enter();
    return { signal: controller.signal, leave };
  };

  return (given) => (given ? own(given) : shared());
}
