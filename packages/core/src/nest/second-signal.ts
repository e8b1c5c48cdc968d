const SIGNALS = ['SIGTERM', 'SIGINT'] as const;

/**
 * Milliseconds in which a signal is no second one: npm and npx pass on to the process what the terminal, or systemd, has sent
 * it already.
 */
const SAME = 1_000;

/** What is draining in this process: several applications may live in one. */
const draining = new Set<(signal: NodeJS.Signals) => void>();
/** Signals that Nest raises again for applications that have ended, while others are still draining. */
let expected = 0;
/** When the first of them began, and when the last one ended that leaves others, in milliseconds of the process. */
let [began, left] = [0, 0];

function onSignal(signal: NodeJS.Signals): void {
  const now = performance.now();
  if (now - began < SAME) return;
  // It follows at once, and not where the application itself has closed its Nest application.
  if (expected > 0 && now - left < SAME) expected -= 1;
  else for (const endAtOnce of draining) endAtOnce(signal);
}

/**
 * Nest ignores a second signal; whoever sends one wants the process to end. Calls `endAtOnce` on it until the answered
 * function is called, which must be before Nest raises the first signal again: that one ends the process the ordinary
 * way.
 */
export function onSecondSignal(endAtOnce: (signal: NodeJS.Signals) => void): () => void {
  if (draining.size === 0) {
    began = performance.now();
    for (const signal of SIGNALS) process.on(signal, onSignal);
  }
  draining.add(endAtOnce);
  return () => {
    if (!draining.delete(endAtOnce)) return;
    if (draining.size > 0) {
      expected += 1;
      left = performance.now();
      return;
    }
    expected = 0;
    for (const signal of SIGNALS) process.removeListener(signal, onSignal);
  };
}
