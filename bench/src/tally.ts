import type { Handle } from './contestant.js';

/** Messages that came, and how often: what is missing or strange in it voids a figure. */
export interface Count {
  readonly expected: number;
  /** Different messages of those expected. */
  readonly handled: number;
  /** Handled once more. */
  readonly repeated: number;
  /** Handled, but of no measurement here. */
  readonly foreign: number;
}

export interface Tally {
  /** Counts a message, once its handler has ended. */
  readonly handle: Handle;
  /** Resolves once so many different ones were handled, or when for a while none has come any more. */
  readonly reached: (handled: number) => Promise<void>;
  readonly count: () => Count;
}

/** Without a message for so long, none will come. In milliseconds; a consumer of Kafka may take half of it to join. */
const SILENCE = 30_000;

/** @param work what the handler does with each message */
export function tally(expected: number, work: Handle): Tally {
  const seen = new Uint8Array(expected);
  let [handled, repeated, foreign] = [0, 0, 0];
  let last = performance.now();
  let silent = false;
  let waiting: { readonly handled: number; readonly resolve: () => void } | undefined;
  return {
    async handle(message) {
      await work(message);
      last = performance.now();
      if (!(message.id in seen)) foreign += 1;
      else if (seen[message.id]) repeated += 1;
      else {
        seen[message.id] = 1;
        handled += 1;
        if (waiting && handled >= waiting.handled) waiting.resolve();
      }
    },
    async reached(wanted) {
      if (silent || handled >= wanted) return;
      last = performance.now();
      await new Promise<void>((resolve) => {
        const look = setInterval(() => {
          silent = performance.now() - last > SILENCE;
          if (silent) done();
        }, 1_000);
        const done = (): void => {
          clearInterval(look);
          waiting = undefined;
          resolve();
        };
        waiting = { handled: wanted, resolve: done };
      });
    },
    count: () => ({ expected, handled, repeated, foreign }),
  };
}

/** Ours and its peers promise at least once: a repetition is told, a loss is not forgiven. */
export function broken({ expected, handled, foreign }: Count): string | undefined {
  if (foreign > 0) return `${foreign} messages came that nobody sent`;
  return handled === expected ? undefined : `${expected} messages sent, ${handled} handled`;
}
