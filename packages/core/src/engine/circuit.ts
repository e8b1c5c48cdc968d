import { HandlerTimeoutError, type Clock } from '../contract/index.js';

/**
 * A circuit breaker, as `circuitBreaker` of cockatiel makes it. It opens when what it stands before has failed, lets one
 * call through after a time, and closes when that has succeeded.
 */
export interface CircuitBreaker {
  /** Calls the listener each time it opens. */
  onBreak(listener: () => void): { dispose(): void };
  /** Calls the listener each time it closes. */
  onReset(listener: () => void): { dispose(): void };
  /** Runs it if the circuit lets it through, and rejects at once otherwise. */
  execute(run: () => Promise<unknown>): Promise<unknown>;
}

export interface CircuitParts {
  readonly breaker: CircuitBreaker;
  /** Whether what handlers depend on is there again: rejects if it is not. */
  readonly probe: (signal: AbortSignal) => unknown;
  /** How often the circuit is asked to let the probe through, and how long that may take, in milliseconds. */
  readonly every: number;
  readonly clock: Clock;
  readonly opened: () => void;
  /** Tried again after `every` where it rejects. */
  readonly closed: () => Promise<void>;
}

/**
 * Watches a circuit: while it is open nobody calls what it stands before, so the probe does, through the circuit, until
 * it closes. Answers what ends that.
 */
export function watchCircuit({ breaker, probe, every, clock, opened, closed }: CircuitParts): () => void {
  let state: 'closed' | 'open' | 'ended' = 'closed';
  let cancel = (): void => undefined;

  const later = (work: () => Promise<void>): void => {
    cancel();
    if (state !== 'ended') cancel = clock.schedule(() => void work(), every);
  };

  const answer = (): Promise<unknown> =>
    new Promise((resolve, reject) => {
      const late = new AbortController();
      const cancelTimer = clock.schedule(() => {
        const error = new HandlerTimeoutError(`the probe of a circuit ran longer than ${every} ms`);
        late.abort(error);
        reject(error);
      }, every);
      void Promise.resolve(late.signal).then(probe).then(resolve, reject).finally(cancelTimer);
    });

  const ask = async (): Promise<void> => {
    // Too early, or still down: both are reasons to ask again, and none that nobody knows.
    await breaker.execute(answer).catch(() => undefined);
    if (state === 'open') later(ask);
  };

  const goOn = async (): Promise<void> => {
    if (state === 'closed') await closed().catch(() => later(goOn));
  };

  const listeners = [
    breaker.onBreak(() => {
      // It opens anew, too, when it let a probe through that failed.
      if (state !== 'closed') return;
      state = 'open';
      opened();
      later(ask);
    }),
    breaker.onReset(() => {
      if (state !== 'open') return;
      state = 'closed';
      cancel();
      void goOn();
    }),
  ];

  return () => {
    state = 'ended';
    cancel();
    for (const listener of listeners) listener.dispose();
  };
}
