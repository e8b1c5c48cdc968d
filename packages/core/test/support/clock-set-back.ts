import type { Clock } from '../../src/contract/index.js';
import { virtualClock, type VirtualClock } from '../../../testing/src/virtual-clock.js';

/** A clock of the machine, as it is where somebody sets it: timers come after the time that passes, whatever it says. */
export function clockSetBack(): {
  readonly clock: Clock;
  readonly passing: VirtualClock;
  setBack(ms: number): void;
} {
  const passing = virtualClock();
  let behind = 0;
  return {
    clock: { now: () => passing.now() - behind, schedule: (callback, ms) => passing.schedule(callback, ms) },
    passing,
    setBack: (ms) => void (behind += ms),
  };
}
