import { whenAborted } from './when-aborted.js';

/** Waits for a promise, and no longer than until the signal aborts. @throws the signal's reason, if that comes first */
export function withinSignal<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    // Nobody waits for it any more, and how it fails must not end the process.
    promise.catch(() => undefined);
    return Promise.reject(signal.reason as Error);
  }
  return new Promise((resolve, reject) => {
    const leave = whenAborted(signal, () => reject(signal.reason as Error));
    promise.then(resolve, reject).finally(leave);
  });
}
