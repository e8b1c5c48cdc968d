import { describe, expect, it } from '@jest/globals';
import type { TransportEvent } from '@nest-messaging/core/contract';
import { virtualClock } from '../../../testing/src/virtual-clock.js';
import { createTroubles } from '../../src/producer/troubles.js';
import { lost, refused } from './fake-broker.js';

const NOT_LEADER_OR_FOLLOWER = 6;
const NOT_ENOUGH_REPLICAS = 19;

const play = () => {
  const clock = virtualClock(0);
  const events: TransportEvent[] = [];
  return { clock, events, troubles: createTroubles(clock, (event) => events.push(event)) };
};

describe('Of partitions that take nothing', () => {
  it('it is told why, and that the last of them takes something again', () => {
    const { troubles, events } = play();
    troubles.refused('one', refused(NOT_ENOUGH_REPLICAS), true);
    troubles.refused('two', refused(NOT_LEADER_OR_FOLLOWER), true);
    const [first, second] = [/in one: NOT_ENOUGH_REPLICAS/, /in two: NOT_LEADER_OR_FOLLOWER/];
    expect(troubles.blocked).toMatch(first);
    troubles.taken('one');
    expect(troubles.blocked).toMatch(second);
    expect(events).toEqual([{ type: 'blocked', reason: expect.stringMatching(first) }]);
    troubles.taken('two');
    troubles.taken('three');
    expect(troubles.blocked).toBeUndefined();
    expect(events.slice(1)).toEqual([{ type: 'unblocked' }]);
  });

  it('nothing is told of those that only change their leader, or of a lost connection', async () => {
    const { troubles, events, clock } = play();
    troubles.refused('one', lost, true);
    troubles.refused('one', refused(NOT_LEADER_OR_FOLLOWER));
    await clock.advance(2_999);
    troubles.refused('one', refused(NOT_LEADER_OR_FOLLOWER));
    troubles.taken('one');
    await clock.advance(1_000);
    troubles.refused('one', refused(NOT_LEADER_OR_FOLLOWER));
    expect(events).toEqual([]);
    await clock.advance(3_000);
    troubles.refused('one', refused(NOT_LEADER_OR_FOLLOWER));
    expect(events).toHaveLength(1);
  });

  it('one to which nothing is sent any more is forgotten', async () => {
    const { troubles, events, clock } = play();
    troubles.refused('one', refused(NOT_ENOUGH_REPLICAS), true);
    await clock.advance('29s');
    troubles.refused('one', refused(NOT_ENOUGH_REPLICAS));
    await clock.advance('29s');
    expect(troubles.blocked).toBeDefined();
    await clock.advance('1s');
    expect(troubles.blocked).toBeUndefined();
    expect(events.map(({ type }) => type)).toEqual(['blocked', 'unblocked']);
    troubles.refused('one', refused(NOT_ENOUGH_REPLICAS), true);
    troubles.close();
    troubles.refused('one', refused(NOT_ENOUGH_REPLICAS), true);
    expect(clock.nextAt).toBeUndefined();
  });
});
