import { withinSignal } from './within-signal.js';

/**
 * Waits until whoever came before under this key has ended; answers what ends one's own turn.
 * @throws the signal's reason, if it aborts before that
 */
export type Turnstile = (key: string, signal?: AbortSignal) => Promise<() => void>;

/** One at a time under each key, in the order in which they ask. */
export function createTurnstile(): Turnstile {
  const last = new Map<string, Promise<void>>();
  return async (key, signal) => {
    const before = last.get(key);
    let end!: () => void;
    const mine = new Promise<void>((resolve) => (end = resolve));
    // Who gives up lets nobody past those that came before.
    const ended: Promise<void> = Promise.all([before, mine]).then(() => {
      if (last.get(key) === ended) last.delete(key);
    });
    last.set(key, ended);
    try {
      if (before) await (signal ? withinSignal(before, signal) : before);
    } catch (error) {
      end();
      throw error;
    }
    return end;
  };
}
