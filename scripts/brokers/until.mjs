import { setTimeout as pause } from 'node:timers/promises';

/**
 * Asks again and again until the answer is yes or the time is over, and says which it was.
 * @param {() => unknown} check may be asynchronous
 * @param {{ within: number, every?: number }} options both in milliseconds
 */
export async function until(check, { within, every = 100 }) {
  const deadline = Date.now() + within;
  for (;;) {
    if (await check()) return true;
    if (Date.now() >= deadline) return false;
    await pause(every);
  }
}
