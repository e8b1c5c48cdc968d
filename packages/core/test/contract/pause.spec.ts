import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { pause } from '../../src/contract/index.js';
import { virtualClock } from '../../../testing/src/virtual-clock.js';

describe('a pause', () => {
  it.each([0, 1])('ends with either signal, and leaves nothing behind', async (which) => {
    const signals = [new AbortController(), new AbortController()];
    const clock = virtualClock(0);
    const paused = pause(clock, 1_000, ...signals.map(({ signal }) => signal));
    signals[which]!.abort();
    await paused;
    expect(clock.nextAt).toBeUndefined();
    for (const { signal } of signals) expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('ends by itself, and leaves nothing behind', async () => {
    const { signal } = new AbortController();
    const clock = virtualClock(0);
    const paused = pause(clock, 1_000, signal, undefined);
    await clock.advance(1_000);
    await paused;
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });

  it('does not begin where a signal has aborted', async () => {
    const clock = virtualClock(0);
    await pause(clock, 1_000, AbortSignal.abort());
    expect(clock.nextAt).toBeUndefined();
  });

  it('has one listener at a signal, however many wait', async () => {
    const ended = new AbortController();
    const paused = Array.from({ length: 100 }, () => pause(virtualClock(0), 1_000, ended.signal));
    // Node warns of a leak from the eleventh on otherwise.
    expect(getEventListeners(ended.signal, 'abort')).toHaveLength(1);
    ended.abort();
    await Promise.all(paused);
  });
});
