import { createTurnoverMap } from '../contract/index.js';

/** Runs what belongs to one key one after the other, in the order of the calls. */
export interface Lanes {
  /** `run` starts when all earlier runs of its key have ended; without a key at once. */
  enter<T>(key: string | undefined, run: () => Promise<T>): Promise<T>;
}

export function createLanes(): Lanes {
  const tails = createTurnoverMap<string, Promise<unknown>>();
  return {
    enter(key, run) {
      if (key === undefined) return run();
      const before = tails.get(key) ?? Promise.resolve();
      const mine = before.then(run, run);
      const tail = mine.catch(() => undefined);
      tails.set(key, tail);
      void tail.then(() => {
        if (tails.get(key) === tail) tails.delete(key);
      });
      return mine;
    },
  };
}
