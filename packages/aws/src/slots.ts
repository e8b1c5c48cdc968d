import { whenAborted } from '@nest-messaging/core/contract';

/** How many messages are worked on at a time, and how many more there is room for. */
export interface Slots {
  /** Free ones that no request has asked for. */
  readonly free: number;
  /** A request asks for so many messages; returns what ends that. */
  ask(count: number): () => void;
  /** Resolves with true in turn, when a message may be worked on; with false once `signal` aborts. */
  enter(signal: AbortSignal): Promise<boolean>;
  /** It is decided what becomes of the message: another may be worked on. */
  leave(): void;
  /** From now on so many are worked on at a time; what is worked on beyond that goes on. */
  resize(size: number): void;
  /** Resolves when so many are free, or one of the signals aborts. */
  until(count: number, ...signals: AbortSignal[]): Promise<void>;
}

/** As many messages as `atFirst` are worked on at a time. */
export function createSlots(atFirst: number): Slots {
  let size = atFirst;
  const queue: (() => void)[] = [];
  const watchers = new Set<() => void>();
  let taken = 0;
  let asked = 0;

  const free = (): number => size - taken - asked - queue.length;

  const changed = (): void => {
    while (taken < size && queue.length > 0) {
      taken++;
      queue.shift()!();
    }
    for (const watcher of watchers) watcher();
  };

  return {
    get free() {
      return free();
    },
    ask(count) {
      asked += count;
      return () => {
        asked -= count;
        changed();
      };
    },
    enter(signal) {
      if (signal.aborted) return Promise.resolve(false);
      if (taken < size && queue.length === 0) {
        taken++;
        return Promise.resolve(true);
      }
      return new Promise((resolve) => {
        const turn = (): void => {
          ignore();
          resolve(true);
        };
        const ignore = whenAborted(signal, () => {
          queue.splice(queue.indexOf(turn), 1);
          resolve(false);
          changed();
        });
        queue.push(turn);
        changed();
      });
    },
    leave() {
      taken--;
      changed();
    },
    resize(most) {
      size = most;
      changed();
    },
    until(count, ...signals) {
      return new Promise((resolve) => {
        const look = (): void => {
          if (free() < count && !signals.some(({ aborted }) => aborted)) return;
          watchers.delete(look);
          for (const signal of signals) signal.removeEventListener('abort', look);
          resolve();
        };
        watchers.add(look);
        for (const signal of signals) signal.addEventListener('abort', look);
        look();
      });
    },
  };
}
