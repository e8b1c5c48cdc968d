import { AsyncResource } from 'node:async_hooks';
import { createTurnoverSet, HandlerTimeoutError, whenAborted, type Clock } from '../contract/index.js';
import { createCohorts, type Cohort } from './cohorts.js';

/** The time that one run of a handler has. */
export interface Time {
  /** It is up. */
  readonly over: boolean;
  /** Aborts when it is up. */
  readonly signal: AbortSignal;
}

/** What a handler may know of its time; made for who asks for it. */
export type TimeSignal = Pick<Time, 'signal'>;

/** Resolves, or rejects, as `run` does, or rejects after `ms`; then its time is up. So it is where `lost` aborts before. */
export type TimeLimit = (ms: number, run: (time: Time) => unknown, lost?: AbortSignal) => Promise<unknown>;

/** Runs that began together: each is known by it. */
type Together = Cohort<symbol>;

class Run implements Time {
  over = false;
  /** Ends listening for what takes the message away. */
  ignore: (() => void) | undefined;
  #reason: unknown;
  #controller: AbortController | undefined;
  /** Where the handler listens is where it hears: the timer may be that of another message. */
  #listening: AsyncResource | undefined;

  constructor(
    readonly together: Together,
    readonly reject: (reason: unknown) => void,
  ) {}

  /** Made for who asks for it, since most handlers never do. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      this.#listening = new AsyncResource('nest-messaging');
      if (this.over) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  end(reason: unknown): void {
    this.over = true;
    this.#reason = reason;
    this.reject(reason);
    const controller = this.#controller;
    if (controller) this.#listening!.runInAsyncScope(() => controller.abort(reason));
  }
}

/** @param deadline ends all runs once it aborts */
export function createTimeLimit(clock: Clock, deadline: AbortSignal): TimeLimit {
  const running = createTurnoverSet<Run>();
  /** By the time that they have, in milliseconds. */
  const enters = new Map<number, () => Together>();

  const leave = (run: Run): void => {
    // Its time may have been up before.
    if (!running.delete(run)) return;
    run.together.leave();
    run.ignore?.();
  };

  const giveUp = (run: Run, reason: unknown): void => {
    leave(run);
    run.end(reason);
  };

  const entering = (ms: number): (() => Together) => {
    let enter = enters.get(ms);
    if (!enter) {
      const timeIsUp = (together: symbol): void => {
        for (const run of running)
          if (run.together.shared === together)
            giveUp(run, new HandlerTimeoutError(`the handler ran longer than ${ms} ms`));
      };
      enter = createCohorts({ clock, ms, make: () => Symbol('began together'), timeIsUp });
      enters.set(ms, enter);
    }
    return enter;
  };

  whenAborted(deadline, () => {
    for (const run of running) giveUp(run, deadline.reason);
  });

  return (ms, work, lost) =>
    new Promise((resolve, reject) => {
      const run = new Run(entering(ms)(), reject);
      running.add(run);
      if (lost) run.ignore = whenAborted(lost, () => giveUp(run, lost.reason));
      const fail = (error: unknown): void => {
        leave(run);
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whatever the handler threw
        reject(error);
      };
      try {
        Promise.resolve(work(run)).then((value) => {
          leave(run);
          resolve(value);
        }, fail);
      } catch (error) {
        fail(error);
      }
    });
}
