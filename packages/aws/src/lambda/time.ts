import { ClosedError, systemClock } from '@nest-messaging/core/contract';
import type { Time } from '../intake.js';

/** The time of one invocation. */
export interface InvocationTime extends Time {
  /** Rejects with what `late` makes if `work` has not ended when time is over. */
  limit<T>(work: Promise<T>, late: () => Error): Promise<T>;
  /** Forgets its timers: the invocation has ended. */
  end(): void;
}

/** Time that is over half a `reserve` before `left` has passed, all in milliseconds. */
export function timeOf(left: number, reserve: number): InvocationTime {
  const leaving = new AbortController();
  const over = new AbortController();
  const cancels = [
    systemClock.schedule(() => leaving.abort(), left - reserve),
    systemClock.schedule(() => over.abort(timeIsUp()), left - reserve / 2),
  ];
  return {
    leaving: leaving.signal,
    over: over.signal,
    limit: (work, late) =>
      Promise.race([
        work,
        new Promise<never>((_, reject) => over.signal.addEventListener('abort', () => reject(late()))),
      ]),
    end: () => cancels.forEach((cancel) => cancel()),
  };
}

const timeIsUp = (): ClosedError =>
  new ClosedError("the function's time is nearly up: the message is reported as failed, and comes again");
