import { AsyncResource } from 'node:async_hooks';
import { HandlerTimeoutError, type Clock } from '../contract/index.js';

/**
 * A circuit breaker, as `circuitBreaker` of cockatiel makes it. It opens when what it stands before has failed, lets one
 * call through after a time, and closes when that has succeeded.
 */
export interface CircuitBreaker {
  /**
   * 0 while it is closed, as in cockatiel's `CircuitState`. Read once, when it is first watched: one that is open by then
   * does not say so again. @default closed
   */
  readonly state?: number;
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

/** Circuits through which a probe has just failed, be it of another subscription. */
const failing = new WeakSet<CircuitBreaker>();

/**
 * Watches a circuit: while it is open nobody calls what it stands before, so the probe does, through the circuit, until
 * it closes. Answers what ends that.
 */
export function watchCircuit({ breaker, probe, every, clock, opened, closed }: CircuitParts): () => void {
  let state: 'closed' | 'open' | 'ended' = 'closed';
  /** It has closed over a probe that failed. */
  let mistaken = false;
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

  const goOn = async (): Promise<void> => {
    if (state === 'closed') await closed().catch(() => later(goOn));
  };

  const close = (): void => {
    state = 'closed';
    cancel();
    void goOn();
  };

  const ask = async (): Promise<void> => {
    let there = false;
    const probing = async (): Promise<void> => {
      try {
        await answer();
        there = true;
      } catch (error) {
        failing.add(breaker);
        throw error;
      }
    };
    // Too early, or still down: both are reasons to ask again, and none that nobody knows.
    await breaker.execute(probing).catch(() => undefined);
    failing.delete(breaker);
    if (state !== 'open') return;
    // It is closed already, and does not say so once more.
    if (mistaken && there) close();
    else later(ask);
  };

  const open = (): void => {
    state = 'open';
    opened();
    later(ask);
  };

  const onBreak = (): void => {
    mistaken = false;
    // It opens anew, too, when it let a probe through that failed.
    if (state === 'closed') open();
  };
  const onReset = (): void => {
    if (state !== 'open') return;
    // One that counts some errors alone takes any other for a success, a probe's that has run too long included.
    if (failing.has(breaker)) mistaken = true;
    else close();
  };
  // What fails is a handler: what is probed from then on is no part of the message that it handles.
  const listeners = [
    breaker.onBreak(AsyncResource.bind(onBreak)),
    breaker.onReset(AsyncResource.bind(onReset)),
  ];
  if (breaker.state) open();

  return () => {
    state = 'ended';
    cancel();
    for (const listener of listeners) listener.dispose();
  };
}
