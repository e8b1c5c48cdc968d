import { describe, expect, it } from '@jest/globals';
import { createSpread } from '../../src/producer/spread.js';

const leaders = (count: number): number[] => Array.from({ length: count }, () => 1);

describe('records without a key', () => {
  it.each([1, 2, 3, 4, 5, 6, 7, 12, 30, 100])('go to each of %d partitions in turn', (count) => {
    const spread = createSpread();
    for (let round = 0; round < 2; round++) {
      const chosen = leaders(count).map(() => spread('topic', leaders(count)));
      expect(chosen.toSorted((a, b) => a! - b!)).toEqual([...leaders(count).keys()]);
    }
  });

  it.each([2, 3, 6, 12, 50])(
    'are shared by two members who have the halves of %d partitions, few as they are',
    (count) => {
      const half = (partition: number | undefined): boolean => partition! >= count / 2;
      for (let start = 0; start < count; start++) {
        const spread = createSpread(() => start / count);
        const four = leaders(4).map(() => half(spread('topic', leaders(count))));
        expect(new Set(four).size).toBe(2);
      }
    },
  );

  it('pass partitions that nobody leads', () => {
    const spread = createSpread();
    const some = [-1, 1, -1, 1];
    expect(new Set(leaders(20).map(() => spread('topic', some)))).toEqual(new Set([1, 3]));
    expect(spread('topic', [-1, -1])).toBeUndefined();
    expect(spread('topic', [])).toBeUndefined();
  });

  it('go on for each topic by itself, and when partitions are added', () => {
    const spread = createSpread();
    const one = leaders(12).map(() => (spread('other', leaders(12)), spread('topic', leaders(12))));
    expect(new Set(one).size).toBe(12);
    const more = leaders(13).map(() => spread('topic', leaders(13)));
    expect(new Set(more).size).toBe(13);
  });
});
