import { describe, expect, it } from '@jest/globals';
import { judge, ratio } from '../src/comparison.js';
import type { Goal } from '../src/goals.js';
import { row } from './row.js';

const goal: Goal = { broker: 'memory', against: 'theirs', metric: 'publish', ratio: 1 };
const [ours, theirs] = [row('ours', 0, 0), row('theirs', 0, 0)];

describe('a comparison', () => {
  it('compares within each round, so that a slow round slows both', () => {
    const rows = [row('ours', 0, 100), row('theirs', 0, 50), row('ours', 1, 10), row('theirs', 1, 5)];
    expect(ratio(rows, ours, theirs, 'publish', 200)).toEqual({ median: 2, least: 2, most: 2 });
  });

  it('is void where one round of either is void', () => {
    const lost = row('theirs', 1, 5, { void: { publish: '10 messages sent, 9 handled' } });
    const rows = [row('ours', 0, 100), row('theirs', 0, 50), row('ours', 1, 10), lost];
    expect(ratio(rows, ours, theirs, 'publish', 200)).toBeUndefined();
    expect(judge(rows, goal)).toEqual([expect.objectContaining({ met: false })]);
  });
});

describe('a goal', () => {
  it.each([
    [100, true],
    [99, false],
  ])('of at least 1 with %d over 100: met is %s', (mine, met) => {
    expect(judge([row('ours', 0, mine), row('theirs', 0, 100)], goal)).toEqual([
      expect.objectContaining({ met }),
    ]);
  });

  it('against several is one against the best of them', () => {
    const rows = [row('ours', 0, 100), row('slow', 0, 10), row('fast', 0, 90)];
    const [verdict] = judge(rows, { ...goal, against: ['slow', 'fast'] });
    expect(verdict?.theirs).toBe('fast');
  });

  it('against several is void where one of them is void, which may be the best', () => {
    const lost = row('fast', 0, 90, { void: { publish: '10 messages sent, 9 handled' } });
    const rows = [row('ours', 0, 100), row('slow', 0, 10), lost];
    const [verdict] = judge(rows, { ...goal, against: ['slow', 'fast'] });
    expect(verdict).toMatchObject({ theirs: 'fast', met: false });
    expect(verdict).not.toHaveProperty('ratio');
  });

  it('is measured at the settings of equal safety, not at defaults', () => {
    const rows = [row('ours', 0, 100), row('theirs', 0, 200, { safety: 'defaults' }), row('theirs', 0, 50)];
    expect(judge(rows, goal)[0]).toMatchObject({ met: true, ratio: { median: 2 } });
  });
});
