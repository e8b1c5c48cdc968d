import { pause, type Clock } from '../contract/index.js';

/**
 * Asked before each of many things, so that no more than so many are begun in a second. Undefined: go on at once; else
 * a promise of when to. It rejects with the signal's reason, once that aborts.
 */
export type Pace = (signal: AbortSignal | undefined) => Promise<void> | undefined;

/** Milliseconds for which it may be ahead of its time: at a high rate a timer serves many. */
const AHEAD = 25;

export function createPace(perSecond: number, clock: Clock): Pace {
  const step = 1_000 / perSecond;
  let due = Number.NEGATIVE_INFINITY;
  return (signal) => {
    const now = clock.now();
    // Time in which nothing was asked for is not made up for, nor is a clock waited for that was set back.
    due = Math.max(Math.min(due, now + AHEAD) + step, now);
    return due - now < AHEAD ? undefined : wait(due - now, clock, signal);
  };
}

async function wait(ms: number, clock: Clock, signal: AbortSignal | undefined): Promise<void> {
  await pause(clock, ms, signal);
  signal?.throwIfAborted();
}
