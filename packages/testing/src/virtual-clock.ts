import { milliseconds, type Clock, type Duration } from '@nest-messaging/core/contract';

/** A clock that stands still until a test moves it. */
export interface VirtualClock extends Clock {
  /** Lets this much time pass: each timer that falls due fires at its own time, and what it sets off runs before the next. */
  advance(duration: Duration): Promise<void>;
  /** Moves to the next timer and fires it. Answers false, and does nothing, where none is left. */
  advanceToNext(): boolean;
  /** When the next timer is due, in milliseconds since 1970. */
  readonly nextAt: number | undefined;
}

interface Timer {
  readonly at: number;
  readonly callback: () => void;
}

/** Taken at load, so that a test's fake timers do not stop what waits here. */
const defer = setImmediate;
const timeout = setTimeout;

/** Lets real time pass, for what really takes time. */
export const realDelay = (ms: number): Promise<void> => new Promise((resolve) => void timeout(resolve, ms));

/** Enough turns of the event loop for a timer's consequences: a delivery, its handler, its settlement. */
const TURNS = 20;

/** Lets run what can run without time passing. */
export async function turns(count: number = TURNS): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => defer(resolve));
}

/**
 * @param start milliseconds since 1970; by default the machine's time now, so that dates look as they do elsewhere
 */
export function virtualClock(start: number = Date.now()): VirtualClock {
  let now = start;
  const timers = new Set<Timer>();

  /** The earliest; of those due together, the one set first. */
  const next = (): Timer | undefined => {
    let first: Timer | undefined;
    for (const timer of timers) if (!first || timer.at < first.at) first = timer;
    return first;
  };

  const fire = (timer: Timer): void => {
    timers.delete(timer);
    now = Math.max(now, timer.at);
    timer.callback();
  };

  return {
    now: () => now,
    schedule(callback, ms) {
      const timer: Timer = { at: now + Math.max(ms, 0), callback };
      timers.add(timer);
      return () => void timers.delete(timer);
    },
    get nextAt() {
      return next()?.at;
    },
    advanceToNext() {
      const timer = next();
      if (timer) fire(timer);
      return timer !== undefined;
    },
    async advance(duration) {
      const end = now + milliseconds(duration);
      await turns();
      for (let timer = next(); timer && timer.at <= end; timer = next()) {
        fire(timer);
        await turns();
      }
      now = end;
    },
  };
}
