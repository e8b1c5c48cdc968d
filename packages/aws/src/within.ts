import type { Clock } from '@nest-messaging/core/contract';

/** Runs `work`, whose signal aborts after `ms`; then rejects with what `late` makes. */
export async function within<T>(
  ms: number,
  clock: Clock,
  work: (signal: AbortSignal) => Promise<T>,
  late: () => Error,
): Promise<T> {
  const over = new AbortController();
  const cancel = clock.schedule(() => over.abort(), ms);
  try {
    return await Promise.race([
      work(over.signal),
      new Promise<never>((_, reject) => over.signal.addEventListener('abort', () => reject(late()))),
    ]);
  } finally {
    cancel();
  }
}
