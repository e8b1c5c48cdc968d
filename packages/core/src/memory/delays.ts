import { createTurnoverSet, type Clock } from '../contract/index.js';

/** What becomes due later. It belongs to the broker: it outlives the application that asked for it. */
export interface Delays {
  /** Calls `run` after `ms`, or as soon as an application is attached from then on. */
  after(ms: number, run: () => void): void;
  /** An application lends its clock; answers how it takes the clock away again. */
  attach(clock: Clock): () => void;
}

interface Due {
  readonly at: number;
  readonly run: () => void;
  cancel?: () => void;
}

/**
 * Timers run on the clock of an attached application, and none is left once the last one has gone: a message delayed
 * by days must not keep a process alive that has closed its application.
 */
export function createDelays(): Delays {
  const due = createTurnoverSet<Due>();
  const clocks = new Set<Clock>();
  let clock: Clock | undefined;

  const arm = (item: Due): void => {
    item.cancel = clock?.schedule(
      () => {
        due.delete(item);
        item.run();
      },
      Math.max(item.at - clock.now(), 0),
    );
  };

  const use = (next: Clock | undefined): void => {
    if (next === clock) return;
    clock = next;
    for (const item of due) {
      item.cancel?.();
      arm(item);
    }
  };

  return {
    after(ms, run) {
      const item: Due = { at: (clock ?? { now: Date.now }).now() + ms, run };
      due.add(item);
      arm(item);
    },
    attach(lent) {
      // An object of its own: two applications may lend the same clock.
      const mine: Clock = { now: () => lent.now(), schedule: (callback, ms) => lent.schedule(callback, ms) };
      clocks.add(mine);
      use(clock ?? mine);
      return () => {
        clocks.delete(mine);
        if (clock === mine) use(clocks.values().next().value);
      };
    },
  };
}
