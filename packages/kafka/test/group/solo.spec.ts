import { describe, expect, it } from '@jest/globals';
import { virtualClock } from '../../../testing/src/virtual-clock.js';
import type { Client } from '../../src/driver/driver.js';
import { createSolo } from '../../src/group/solo.js';

describe('A process that reads everything by itself', () => {
  it('has what there is, and loses what is deleted, but not what is missing for a moment', async () => {
    const clock = virtualClock(0);
    const log: string[] = [];
    let topics = new Map<string, number[]>([
      ['a', [1, 1]],
      ['b', [1]],
    ]);
    const told = (of: readonly { topic: string; partition: number }[]): string =>
      of.map(({ topic, partition }) => `${topic}${partition}`).join();
    const solo = createSolo({
      client: { leaders: async () => topics } as unknown as Client,
      holder: {
        assigned: (all) => log.push(`has ${told(all)}`),
        lost: (gone) => log.push(`lost ${told(gone)}`),
        giveUp: async () => {},
      },
      topics: async () => [...topics.keys()],
      discovery: 1_000,
      clock,
    });
    await solo.start();
    topics = new Map([['a', [1, 1]]]);
    await clock.advance(1_000);
    topics = new Map([
      ['a', [1, 1]],
      ['b', [1]],
    ]);
    await clock.advance(1_000);
    expect(log).toEqual(['has a0,a1,b0']);
    topics = new Map([['a', [1, 1]]]);
    await clock.advance(2_000);
    expect(log.slice(1)).toEqual(['lost b0']);
    topics = new Map([
      ['a', [1, 1]],
      ['b', [1]],
    ]);
    await clock.advance(1_000);
    expect(log.slice(2)).toEqual(['has a0,a1,b0']);
    await solo.leave();
  });

  it('says of a topic that it does not exist, if it is missing for longer than a moment', async () => {
    const clock = virtualClock(0);
    let topics = new Map<string, number[]>([['a', [1]]]);
    const solo = createSolo({
      client: { leaders: async () => topics } as unknown as Client,
      holder: { assigned() {}, lost() {}, giveUp: async () => {} },
      topics: async () => ['a'],
      discovery: 1_000,
      clock,
    });
    await solo.start();
    topics = new Map();
    await clock.advance(1_000);
    expect(solo.problem).toBeUndefined();
    await clock.advance(1_000);
    expect(solo.problem).toBe("topic 'a' does not exist");
    topics = new Map([['a', [1]]]);
    await clock.advance(1_000);
    expect(solo.problem).toBeUndefined();
    await solo.leave();
  });
});
