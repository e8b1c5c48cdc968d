import { virtualClock } from '../../../testing/src/virtual-clock.js';

/** A clock that tells how many timers are set. */
export function countingClock() {
  const clock = virtualClock();
  let timers = 0;
  return {
    ...clock,
    get timers() {
      return timers;
    },
    schedule(callback: () => void, ms: number) {
      timers += 1;
      const cancel = clock.schedule(callback, ms);
      return () => {
        timers -= 1;
        cancel();
      };
    },
  };
}
