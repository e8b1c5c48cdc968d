/** Time as the module sees it, so that tests can make it pass. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number;
  /** Calls `callback` once after `ms`; returns what cancels it. */
  schedule(callback: () => void, ms: number): () => void;
}

/** Node refuses longer timers (it fires them at once), so longer waits are made of several. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** The machine's clock. */
export const systemClock: Clock = {
  now: Date.now,
  schedule(callback, ms) {
    let timer: NodeJS.Timeout;
    if (ms <= LONGEST_TIMER) timer = setTimeout(callback, Math.max(ms, 0));
    else {
      const wait = (left: number): void => {
        timer =
          left > LONGEST_TIMER
            ? setTimeout(() => wait(left - LONGEST_TIMER), LONGEST_TIMER)
            : setTimeout(callback, left);
      };
      wait(ms);
    }
    return () => clearTimeout(timer);
  },
};
