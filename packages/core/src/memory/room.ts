import { createTurnoverSet, whenAborted } from '../contract/index.js';

/** How many messages the broker holds, and who waits for room for more. */
export interface Room {
  readonly used: number;
  take(count: number): void;
  free(count: number): void;
  /** Runs `enter` once there is room, in the order of the calls; rejects with a signal's reason if that comes first. */
  whenFree(enter: () => void, ...signals: readonly AbortSignal[]): Promise<void>;
  /** Whether a call may enter now, without overtaking those that wait. */
  readonly open: boolean;
}

export function createRoom(max: number): Room {
  let used = 0;
  const waiting = createTurnoverSet<() => void>();

  const admit = (): void => {
    for (const enter of waiting) {
      if (used >= max) return;
      enter();
    }
  };

  return {
    get used() {
      return used;
    },
    get open() {
      return used < max && waiting.size === 0;
    },
    take(count) {
      used += count;
    },
    free(count) {
      used -= count;
      if (waiting.size > 0) admit();
    },
    whenFree(enter, ...signals) {
      return new Promise((resolve, reject) => {
        const ignore = signals.map((signal) =>
          whenAborted(signal, () => {
            leave();
            // oxlint-disable-next-line typescript/prefer-promise-reject-errors -- the caller's own reason, unchanged
            reject(signal.reason);
          }),
        );
        const leave = (): void => {
          waiting.delete(start);
          for (const one of ignore) one();
        };
        const start = (): void => {
          leave();
          enter();
          resolve();
        };
        waiting.add(start);
      });
    },
  };
}
