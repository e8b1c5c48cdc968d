import { createTurnoverSet } from '@nest-messaging/core/contract';
import { DriverError } from './driver-error.js';

/** What is being waited for; it ends in time, and all of it at once when there is nothing left to wait for. */
export interface Pending {
  /** Rejects with what `late` says after `limit` milliseconds. */
  wait<T>(limit: number, work: () => Promise<T>, late: () => DriverError): Promise<T>;
  /** Rejects all that is waited for, and whatever comes later. */
  giveUp(error: DriverError): void;
}

export function createPending(): Pending {
  const waiting = createTurnoverSet<(error: DriverError) => void>();
  let over: DriverError | undefined;
  return {
    wait(limit, work, late) {
      return new Promise((resolve, reject) => {
        if (over) return reject(over);
        const end = (): void => {
          clearTimeout(timer);
          waiting.delete(fail);
        };
        const fail = (error: unknown): void => {
          end();
          reject(error);
        };
        // Node 24 takes a negative time for 1 ms, with a warning.
        const timer = setTimeout(
          () => {
            end();
            reject(late());
          },
          Math.max(limit, 1),
        );
        waiting.add(fail);
        work().then((result) => {
          end();
          resolve(result);
        }, fail);
      });
    },
    giveUp(error) {
      over ??= error;
      for (const fail of waiting) fail(error);
    },
  };
}

export const timedOut = (what: string, limit: number): DriverError =>
  new DriverError('TIMEOUT', `${what} was not answered within ${Math.round(limit)} ms`, { retryable: true });

export const closed = (): DriverError =>
  new DriverError('CLOSED', 'the client is closed', { retryable: false });
