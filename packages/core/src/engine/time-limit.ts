import { HandlerTimeoutError, whenAborted, type Clock } from '../contract/index.js';

/** The time that one run of a handler has. */
export interface Time {
  /** It is up. */
  readonly over: boolean;
  /** Aborts when it is up. */
  readonly signal: AbortSignal;
}

/** Rejects as `run` does, or after `ms`; then its time is up. So it is where `lost` aborts before. */
export type TimeLimit = <T>(ms: number, run: (time: Time) => Promise<T>, lost?: AbortSignal) => Promise<T>;

class RunningTime implements Time {
  over = false;
  #reason: unknown;
  #controller: AbortController | undefined;

  /** Made for who asks for it, since most handlers never do. */
  get signal(): AbortSignal {
    if (!this.#controller) {
      this.#controller = new AbortController();
      if (this.over) this.#controller.abort(this.#reason);
    }
    return this.#controller.signal;
  }

  end(reason: unknown): void {
    this.over = true;
    this.#reason = reason;
    this.#controller?.abort(reason);
  }
}

/** @param deadline ends all runs once it aborts */
export function createTimeLimit(clock: Clock, deadline: AbortSignal): TimeLimit {
  // Keeps the listener there that all share: each run that is alone would bring one, and take it away.
  whenAborted(deadline, () => undefined);
  return (ms, run, lost) =>
    new Promise((resolve, reject) => {
      const time = new RunningTime();
      const leave = (): void => {
        cancel();
        leaveDeadline();
        leaveLost?.();
      };
      const giveUp = (error: unknown): void => {
        leave();
        // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whatever the signal's reason is
        reject(error);
        time.end(error);
      };
      const endWith = (signal: AbortSignal): (() => void) => whenAborted(signal, () => giveUp(signal.reason));
      const cancel = clock.schedule(
        () => giveUp(new HandlerTimeoutError(`the handler ran longer than ${ms} ms`)),
        ms,
      );
      const leaveDeadline = endWith(deadline);
      const leaveLost = lost && endWith(lost);
      run(time).then(
        (value) => {
          leave();
          resolve(value);
        },
        (error: unknown) => {
          leave();
          // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- whatever the handler threw
          reject(error);
        },
      );
    });
}
