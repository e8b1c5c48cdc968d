import type { Clock } from '../contract/index.js';

/** Those that began in one millisecond. */
export interface Cohort<Shared> {
  readonly shared: Shared;
  /** One of them does not wait any more. To be called once by each who was given it. */
  readonly leave: () => void;
}

export interface CohortsParts<Shared> {
  readonly clock: Clock;
  /** Milliseconds that each has. */
  readonly ms: number;
  readonly make: () => Shared;
  /** The time of those that have not left is up. */
  readonly timeIsUp: (shared: Shared) => void;
}

/** Enters what begins now: a thousand under way would hold a timer each for the garbage collector to move. */
export function createCohorts<Shared>(parts: CohortsParts<Shared>): () => Cohort<Shared> {
  const { clock, ms, make, timeIsUp } = parts;
  let latest: { readonly at: number; readonly enter: () => Cohort<Shared> } | undefined;

  const begin = (at: number): NonNullable<typeof latest> => {
    const shared = make();
    let members = 0;
    // A clock that is set back, or stands still, comes to the same millisecond when it is over already.
    const end = (): void => {
      if (latest === fresh) latest = undefined;
    };
    const cancel = clock.schedule(() => {
      end();
      timeIsUp(shared);
    }, ms);
    const cohort: Cohort<Shared> = {
      shared,
      leave() {
        members -= 1;
        if (members > 0) return;
        cancel();
        end();
      },
    };
    const enter = (): Cohort<Shared> => {
      members += 1;
      return cohort;
    };
    const fresh = { at, enter };
    return fresh;
  };

  return () => {
    const at = clock.now();
    if (latest?.at !== at) latest = begin(at);
    return latest.enter();
  };
}
