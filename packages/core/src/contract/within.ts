import type { Clock } from './clock.js';
import { whenAborted } from './when-aborted.js';

/** Runs `work`, whose signal aborts after `ms` milliseconds or with `ended`; then rejects with what `late` makes, or its reason. */
export async function within<T>(
  ms: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Error,
  ended?: AbortSignal,
): Promise<T> {
  const over = new AbortController();
  const cancel = clock.schedule(() => over.abort(late()), ms);
  const leave = ended && whenAborted(ended, () => over.abort(ended.reason));
  try {
    ended?.throwIfAborted();
    return await Promise.race([
      work(over.signal),
      new Promise<never>((_, reject) =>
        over.signal.addEventListener('abort', () => reject(over.signal.reason as Error)),
      ),
    ]);
  } finally {
    cancel();
    leave?.();
  }
}
