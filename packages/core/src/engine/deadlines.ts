import { setMaxListeners } from 'node:events';
import { whenAborted, type Clock } from '../contract/index.js';

/** The time that something has. */
export interface Deadline {
  /** Aborts with {@link TIME_IS_UP}, or as the caller's signal does. */
  readonly signal: AbortSignal;
  /** Nobody waits any more. To be called once by each who was given it. */
  readonly leave: () => void;
}

/** Why a deadline's signal aborts; as the reason of `AbortSignal.timeout`. */
export const TIME_IS_UP = new DOMException('The time is up.', 'TimeoutError');

/**
 * Deadlines so many milliseconds from now. What begins in the same millisecond shares one, with its signal and its timer:
 * each of a thousand publishes under way would hold a kilobyte of its own for the garbage collector to move.
 */
export function createDeadlines(clock: Clock, timeout: number): (given?: AbortSignal) => Deadline {
  let latest:
    { readonly at: number; readonly signal: AbortSignal; readonly enter: () => Deadline } | undefined;

  /** @param left all have left it */
  const begin = (left: () => void) => {
    const controller = new AbortController();
    // Node 20 takes many listeners of one signal for a leak.
    setMaxListeners(0, controller.signal);
    const cancel = clock.schedule(() => controller.abort(TIME_IS_UP), timeout);
    let users = 0;
    const deadline: Deadline = {
      signal: controller.signal,
      leave() {
        users -= 1;
        if (users > 0) return;
        cancel();
        left();
      },
    };
    const enter = (): Deadline => {
      users += 1;
      return deadline;
    };
    return { controller, enter };
  };

  const own = (given: AbortSignal): Deadline => {
    const { controller, enter } = begin(() => ignore());
    const give = (): void => controller.abort(given.reason);
    const ignore = whenAborted(given, give);
    if (given.aborted) give();
    return enter();
  };

  const shared = (): Deadline => {
    const at = clock.now();
    // A clock that is set back, or stands still, comes to the same millisecond when its time is up already.
    if (latest?.at === at && !latest.signal.aborted) return latest.enter();
    const { controller, enter } = begin(() => {
      if (latest === fresh) latest = undefined;
    });
    const fresh = { at, signal: controller.signal, enter };
    latest = fresh;
    return enter();
  };

  return (given) => (given ? own(given) : shared());
}
