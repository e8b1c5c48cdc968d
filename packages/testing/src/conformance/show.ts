import assert from 'node:assert/strict';
import type { Guarantee } from './guarantee.js';
import { createStage } from './stage.js';
import type { TestBroker } from './test-broker.js';

/** How a broker keeps a guarantee. */
export type Keeping =
  | 'native'
  | 'emulated'
  /** It lacks the capability and refuses, rather than pretend. */
  | 'refused';

/** Shows that a broker keeps a guarantee, or refuses what it cannot do; throws where it does neither. */
export async function show(
  guarantee: Guarantee,
  create: () => Promise<TestBroker> | TestBroker,
): Promise<Keeping> {
  const under = await create();
  const { refusal, run } = guarantee;
  const stage = createStage(under);
  try {
    const kept = guarantee.support(stage.capabilities);
    if (kept) {
      await run(stage);
      return kept;
    }
    assert.ok(refusal, 'the broker lacks the capability, and the guarantee does not say how it refuses');
    await refusal(stage);
    return 'refused';
  } finally {
    await stage.end();
  }
}
