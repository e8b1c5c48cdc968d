import { describe, expect, it } from '@jest/globals';
import { median, percentile, summary } from '../src/statistics.js';

describe('the median', () => {
  it('is the middle of an odd number of values, whatever their order', () => {
    expect(median([30, 1, 2])).toBe(2);
  });

  it('is between the two in the middle of an even number', () => {
    expect(median([10, 1, 2, 3])).toBe(2.5);
  });
});

describe('a percentile', () => {
  const hundred = Array.from({ length: 100 }, (_, i) => 100 - i);

  it('is the value that so many percent do not exceed', () => {
    expect(percentile(hundred, 50)).toBe(50);
    expect(percentile(hundred, 99)).toBe(99);
    expect(percentile(hundred, 100)).toBe(100);
  });

  it('of few values is one of them', () => {
    expect(percentile([3, 1, 2], 50)).toBe(2);
    expect(percentile([3, 1, 2], 99)).toBe(3);
    expect(percentile([7], 1)).toBe(7);
  });

  it('of none is no number', () => {
    expect(percentile([], 50)).toBeNaN();
  });
});

describe('a summary', () => {
  it('has the median with the least and the most', () => {
    expect(summary([3, 1, 9])).toEqual({ median: 3, least: 1, most: 9 });
  });

  it('of nothing is nothing', () => {
    expect(summary([])).toBeUndefined();
  });
});
