import { createBackoff, type Clock } from '@nest-messaging/core/contract';
import { DriverError } from './driver/driver-error.js';

/** Tries until it works, `signal` aborts, or it fails in a way that another attempt does not change. */
export async function retrying<T>(
  clock: Clock,
  signal: AbortSignal,
  work: () => Promise<T>,
  failed: (error: DriverError) => void = () => {},
): Promise<T> {
  const backoff = createBackoff(clock);
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (signal.aborted || !(error instanceof DriverError && error.retryable)) throw error;
      failed(error);
      await backoff.wait(signal);
    }
  }
}
