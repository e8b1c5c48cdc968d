import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import { createDeadlines, TIME_IS_UP } from '../../src/engine/deadlines.js';
import { virtualClock } from '../../../testing/src/virtual-clock.js';
import { countingClock } from '../support/counting-clock.js';

describe('a deadline', () => {
  it('is shared by what begins in the same millisecond, and by nothing else', async () => {
    const clock = countingClock();
    const deadline = createDeadlines(clock, 1_000);
    const [one, other] = [deadline(), deadline()];
    await clock.advance(1);
    const later = deadline();
    expect(other.signal).toBe(one.signal);
    expect(later.signal).not.toBe(one.signal);
    expect(clock.timers).toBe(2);
    await clock.advance(999);
    expect(one.signal.reason).toBe(TIME_IS_UP);
    expect(later.signal.aborted).toBe(false);
    await clock.advance(1);
    expect(later.signal.reason).toBe(TIME_IS_UP);
  });

  it('holds its timer until all have left, and is not given again then', () => {
    const clock = countingClock();
    const deadline = createDeadlines(clock, 1_000);
    const [one, other] = [deadline(), deadline()];
    one.leave();
    expect(clock.timers).toBe(1);
    expect(deadline().signal).toBe(one.signal);
    one.leave();
    other.leave();
    expect(clock.timers).toBe(0);
    expect(deadline().signal).not.toBe(one.signal);
  });

  it('is another once its time is up, though the clock has gone back to where it began', async () => {
    const clock = virtualClock();
    let back = 0;
    const deadline = createDeadlines({ ...clock, now: () => clock.now() - back }, 1_000);
    const late = deadline();
    await clock.advance(1_000);
    back = 1_000;
    expect(late.signal.reason).toBe(TIME_IS_UP);
    expect(deadline().signal.aborted).toBe(false);
  });

  it("aborts as the caller's signal does, alone, and whether that has aborted or will", async () => {
    const clock = countingClock();
    const deadline = createDeadlines(clock, 1_000);
    const caller = new AbortController();
    const [own, shared] = [deadline(caller.signal), deadline()];
    caller.abort('changed my mind');
    expect(own.signal.reason).toBe('changed my mind');
    expect(deadline(caller.signal).signal.reason).toBe('changed my mind');
    expect(shared.signal.aborted).toBe(false);
    const patient = deadline(new AbortController().signal);
    await clock.advance(1_000);
    expect(patient.signal.reason).toBe(TIME_IS_UP);
  });

  it("leaves nothing with the caller's signal, which may outlive all that is published under it", () => {
    const { signal } = new AbortController();
    const deadline = createDeadlines(virtualClock(), 1_000);
    const [one, other] = [deadline(signal), deadline(signal)];
    one.leave();
    other.leave();
    expect(getEventListeners(signal, 'abort')).toEqual([]);
  });
});
