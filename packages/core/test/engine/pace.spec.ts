import { describe, expect, it } from '@jest/globals';
import { createPace } from '../../src/engine/pace.js';
import { clockSetBack } from '../support/clock-set-back.js';
import { virtualClock } from '../../../testing/src/virtual-clock.js';

describe('a pace', () => {
  it('begins at once, and lets no more begin in any second than it was told', async () => {
    for (const rate of [1, 7, 50, 1_000, 100_000]) {
      const clock = virtualClock();
      const pace = createPace(rate, clock);
      const start = clock.now();
      let begun = 0;
      let waits = 0;
      while (clock.now() - start < 3_000) {
        const wait = pace(undefined);
        if (wait) {
          waits++;
          clock.advanceToNext();
          await wait;
        }
        begun++;
      }
      expect(begun).toBeGreaterThanOrEqual(2.99 * rate);
      expect(begun).toBeLessThanOrEqual(3 * rate + Math.ceil(rate * 0.025) + 1);
      // A timer serves many, where many begin in a second.
      expect(waits).toBeLessThanOrEqual(3 * Math.min(rate, 41) + 1);
    }
  });

  it('does not make up for time in which nothing was asked for', async () => {
    const clock = virtualClock();
    const pace = createPace(10, clock);
    expect(pace(undefined)).toBeUndefined();
    await clock.advance(60_000);
    expect(pace(undefined)).toBeUndefined();
    expect(pace(undefined)).toBeDefined();
  });

  it('does not wait for a clock that was set back', async () => {
    const { clock, passing, setBack } = clockSetBack();
    const pace = createPace(10, clock);
    expect(pace(undefined)).toBeUndefined();
    setBack(60_000);
    const waiting = pace(undefined);
    expect(passing.nextAt! - passing.now()).toBeLessThanOrEqual(125);
    passing.advanceToNext();
    await waiting;
  });

  it('gives up waiting with the reason of its signal', async () => {
    const clock = virtualClock();
    const pace = createPace(1, clock);
    const controller = new AbortController();
    expect(pace(controller.signal)).toBeUndefined();
    const waiting = pace(controller.signal);
    const reason = new Error('as the test wants it');
    controller.abort(reason);
    await expect(waiting).rejects.toBe(reason);
    expect(clock.nextAt).toBeUndefined();
    await expect(pace(controller.signal)).rejects.toBe(reason);
  });
});
