import { describe, expect, it } from '@jest/globals';
import type { Letter, Told } from './application.js';
import { balance, createLedger, type Ledger } from './ledger.js';

/** A ledger in which these were entered. */
function ledgerOf(...told: readonly Told[]): Ledger {
  const ledger = createLedger('shop');
  for (const one of told) ledger.enter(one, 1);
  return ledger;
}

const publishing = (id: string): Told => ({ told: 'publishing', id });
const resolved = (id: string): Told => ({ told: 'resolved', id, ms: 1 });
const handled = (id: string): Told => ({
  told: 'handled',
  id,
  group: 'shop',
  topic: 'work',
  attempt: 1,
  at: 0,
});
const letter = (id: string): Letter => ({
  id,
  attempts: 1,
  group: 'shop',
  failure: '',
  body: '',
  headers: {},
});

/** What the judgement says is wrong. */
async function judged(ledger: Ledger, letters: readonly Letter[] = []): Promise<string | undefined> {
  try {
    await balance(ledger, async () => letters, { within: 50 });
    return undefined;
  } catch (error) {
    return (error as Error).message;
  }
}

describe('The ledger', () => {
  it('balances where each message was handled or set aside', async () => {
    const ledger = ledgerOf(
      publishing('a'),
      publishing('b'),
      resolved('a'),
      resolved('b'),
      handled('a'),
      handled('a'),
    );
    expect(await judged(ledger, [letter('b')])).toBeUndefined();
    expect(ledger.duplicates()).toBe(1);
  });

  it('misses what was neither', async () => {
    const ledger = ledgerOf(publishing('a'), publishing('b'), resolved('a'), resolved('b'), handled('a'));
    expect(await judged(ledger)).toContain('1 are missing, such as b');
  });

  it('does not miss what was rejected', async () => {
    const ledger = ledgerOf(publishing('a'), { told: 'rejected', id: 'a', ms: 1, text: 'no' });
    expect(await judged(ledger)).toBeUndefined();
  });

  it('sees a publish that never settled', async () => {
    expect(await judged(ledgerOf(publishing('a')))).toContain('publishes that never settled');
  });

  it('sees a publish that settled twice', async () => {
    const ledger = ledgerOf(publishing('a'), resolved('a'), resolved('a'), handled('a'));
    expect(await judged(ledger)).toContain('the publish of a settled twice');
  });

  it('sees what nobody handled', async () => {
    const ledger = ledgerOf({ told: 'unhandled', event: 'unhandledRejection', text: 'Error: lost' });
    expect(await judged(ledger)).toContain('unhandledRejection in process 1: Error: lost');
  });
});
