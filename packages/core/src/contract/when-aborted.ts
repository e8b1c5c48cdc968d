/** Who is told of a signal. */
const listeners = new WeakMap<AbortSignal, Set<() => void>>();

function audienceOf(signal: AbortSignal): Set<() => void> {
  let audience = listeners.get(signal);
  if (!audience) {
    const all = (audience = new Set());
    listeners.set(signal, all);
    signal.addEventListener('abort', () => all.forEach((tell) => tell()), { once: true });
  }
  return audience;
}

/**
 * Calls `run` when the signal aborts, until it is told to leave; not where it has aborted already. One listener for all,
 * since a signal looks through all that it has for each that comes or goes, and many share one: publishes that began
 * together, and what one partition has in hand.
 * @returns what leaves
 */
export function whenAborted(signal: AbortSignal, run: () => void): () => void {
  const audience = audienceOf(signal);
  audience.add(run);
  return () => void audience.delete(run);
}
