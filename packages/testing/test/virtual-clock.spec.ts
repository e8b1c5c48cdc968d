import { describe, expect, it } from '@jest/globals';
import { virtualClock } from '@nest-messaging/testing';

describe('virtualClock', () => {
  it('stands still until it is moved', async () => {
    const clock = virtualClock(1_000);
    const fired: number[] = [];
    clock.schedule(() => fired.push(clock.now()), 50);
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect([clock.now(), fired]).toEqual([1_000, []]);
    await clock.advance(50);
    expect([clock.now(), fired]).toEqual([1_050, [1_050]]);
  });

  it('fires timers in the order of their time, and those they set too', async () => {
    const clock = virtualClock(0);
    const fired: [string, number][] = [];
    const note = (name: string) => () => fired.push([name, clock.now()]);
    clock.schedule(note('late'), 30);
    clock.schedule(() => {
      note('early')();
      clock.schedule(note('set by early'), 5);
    }, 10);
    clock.schedule(note('too late'), 1_000);
    const cancel = clock.schedule(note('cancelled'), 20);
    cancel();
    await clock.advance('100ms');
    expect(fired).toEqual([
      ['early', 10],
      ['set by early', 15],
      ['late', 30],
    ]);
    expect([clock.now(), clock.nextAt]).toEqual([100, 1_000]);
  });

  it('lets what a timer sets off run before the next one', async () => {
    const clock = virtualClock(0);
    const seen: string[] = [];
    clock.schedule(() => void Promise.resolve().then(() => seen.push('set off by the first')), 1);
    clock.schedule(() => seen.push('second'), 2);
    await clock.advance('1s');
    expect(seen).toEqual(['set off by the first', 'second']);
  });

  it('moves to the next timer, of those due together to the one set first', () => {
    const clock = virtualClock(0);
    const fired: string[] = [];
    clock.schedule(() => fired.push('first'), 7);
    clock.schedule(() => fired.push('second'), 7);
    expect(clock.advanceToNext()).toBe(true);
    expect([clock.now(), fired]).toEqual([7, ['first']]);
    expect(clock.advanceToNext()).toBe(true);
    expect(clock.advanceToNext()).toBe(false);
    expect(fired).toEqual(['first', 'second']);
  });
});
