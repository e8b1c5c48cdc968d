import { createTurnoverSet, type TurnoverSet } from './turnover.js';

interface Audience {
  readonly all: TurnoverSet<() => void>;
  readonly tell: () => void;
}

/** Who is told of a signal. */
const audiences = new WeakMap<AbortSignal, Audience>();

function audienceOf(signal: AbortSignal): Audience {
  let audience = audiences.get(signal);
  if (!audience) {
    const all = createTurnoverSet<() => void>();
    const tell = (): void => {
      for (const run of all) run();
    };
    audience = { all, tell };
    audiences.set(signal, audience);
    signal.addEventListener('abort', audience.tell, { once: true });
  }
  return audience;
}

/**
 * Calls `run` when the signal aborts, until it is told to leave; not where it has aborted already. One listener for all,
 * since a signal looks through all that it has for each that comes or goes, and many share one: publishes that began
 * together, and what one partition has in hand. The last that leaves takes the listener along: Node keeps a signal of
 * `AbortSignal.any` for as long as it has one.
 * @param run must not throw: those that came after it would not be told
 * @returns what leaves
 */
export function whenAborted(signal: AbortSignal, run: () => void): () => void {
  const { all, tell } = audienceOf(signal);
  all.add(run);
  return () => {
    if (!all.delete(run) || all.size > 0) return;
    signal.removeEventListener('abort', tell);
    audiences.delete(signal);
  };
}
