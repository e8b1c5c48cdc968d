import { describe, expect, it } from '@jest/globals';
import type { Told } from './application.js';
import { createLedger } from './ledger.js';
import { disorder } from './order.js';

/** What is said of these, one after the other: `process:message` began and was handled, or began alone with `…`. */
function judged(steps: readonly string[], killed: readonly number[] = []): string[] {
  const ledger = createLedger('shop');
  for (let n = 0; n < 5; n++) {
    ledger.enter({ told: 'publishing', id: `m-${n}` }, 0);
    ledger.enter({ told: 'resolved', id: `m-${n}`, ms: 1 }, 0);
  }
  for (const [at, step] of steps.entries()) {
    const [pid, number, open] = /^(\d+):(\d+)(…)?$/.exec(step)!.slice(1);
    const about = { id: `m-${number}`, key: 'k', group: 'shop', topic: 'work', attempt: 1, at };
    const told: Told['told'][] = open ? ['began'] : ['began', 'handled'];
    for (const each of told) ledger.enter({ told: each, ...about } as Told, Number(pid));
  }
  return disorder(ledger, new Set(killed));
}

describe('The order of a key', () => {
  it('is kept where each begins when those before it are handled', () => {
    expect(judged(['1:0', '1:1', '2:2'])).toEqual([]);
  });

  it('is broken where one begins before an earlier one is handled', () => {
    expect(judged(['1:0', '1:1…', '2:2'])).toEqual(['m-2 of key k began before m-1 was handled']);
  });

  it('may go back over what a killed process had handled, and no further', () => {
    expect(judged(['1:0', '1:1', '1:2…', '2:1', '2:2'], [1])).toEqual([]);
    expect(judged(['1:0', '1:1', '2:1'])).toEqual([
      'm-1 of key k began again, and the process that had handled it was not killed',
    ]);
  });
});
