import { EXIT, InterruptedError } from './exit.js';

/** Milliseconds in which a second signal is the first: `npx` passes on what the terminal has sent already. */
const SAME = 1_000;

/** Aborts on the first SIGINT or SIGTERM; one that comes later ends the process at once. */
export function onSignals(): AbortSignal {
  const controller = new AbortController();
  let first: number | undefined;
  const end = (): void => {
    first ??= Date.now();
    if (!controller.signal.aborted) controller.abort(new InterruptedError());
    else if (Date.now() - first > SAME) process.exit(EXIT.interrupted);
  };
  process.on('SIGINT', end).on('SIGTERM', end);
  return controller.signal;
}
