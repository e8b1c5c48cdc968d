import { getEventListeners, getMaxListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { virtualClock } from '../../testing/src/virtual-clock.js';
import { pause } from '../src/backoff.js';

describe('A pause', () => {
  it.each([0, 1])('ends with either signal, and leaves nothing behind', async (which) => {
    const signals = [new AbortController(), new AbortController()];
    const clock = virtualClock(0);
    const paused = pause(clock, 1_000, ...signals.map(({ signal }) => signal));
    signals[which]!.abort();
    await paused;
    expect(clock.nextAt).toBeUndefined();
    for (const { signal } of signals) expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not count those who wait for one signal', async () => {
    const ended = new AbortController();
    const paused = pause(virtualClock(0), 1_000, ended.signal);
    // Node warns of a leak from the eleventh on otherwise.
    expect(getMaxListeners(ended.signal)).toBe(Number.POSITIVE_INFINITY);
    ended.abort();
    await paused;
  });
});
