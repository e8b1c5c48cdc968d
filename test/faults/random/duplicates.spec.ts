import { describe, expect, it } from '@jest/globals';
import type { Said } from '../ledger.js';
import { explainDuplicates } from './duplicates.js';

const handled = (id: string, at: number): Said => ({
  told: 'handled',
  id,
  at,
  group: 'shop',
  topic: 'work',
  attempt: 1,
  pid: 1,
});
const cut = { what: 'cut', from: 20_000, to: 21_000 };

describe('Duplicates', () => {
  it('are explained by what disturbed between the two', () => {
    const { explained, unexplained } = explainDuplicates([handled('a', 19_000), handled('a', 30_000)], [cut]);
    expect(explained).toEqual({ cut: 1 });
    expect(unexplained).toEqual([]);
  });

  it.each([
    ['before the first', 40_000, 41_000],
    ['after the second', 1_000, 2_000],
  ])('are not explained by what disturbed %s', (_, one, other) => {
    const { unexplained } = explainDuplicates([handled('a', one), handled('a', other)], [cut]);
    expect(unexplained).toEqual([`shop a at ${one} by process 1, and at ${other} by 1`]);
  });
});
