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

/** Rejects after `ms`, so that what hangs is ended and cleaned up like what fails. */
async function within(ms: number, run: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `not shown within ${ms} ms` })), ms);
  });
  try {
    await Promise.race([run, late]);
  } finally {
    clearTimeout(timer);
  }
}

/**
 * Shows that a broker keeps a guarantee, or refuses what it cannot do; throws where it does neither.
 *
 * @param limit milliseconds; beyond every wait inside a guarantee, so that its own message is seen first
 */
export async function show(
  { support, refusal, run }: Guarantee,
  create: () => Promise<TestBroker> | TestBroker,
  limit: number,
): Promise<Keeping> {
  const stage = createStage(await create());
  try {
    const kept = support(stage.capabilities);
    if (kept) {
      await within(limit, run(stage));
      return kept;
    }
    assert.ok(refusal, 'the broker lacks the capability, and the guarantee does not say how it refuses');
    await within(limit, refusal(stage));
    return 'refused';
  } finally {
    await within(limit, stage.end());
  }
}
