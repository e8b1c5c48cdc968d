import assert from 'node:assert/strict';
import { afterAll, describe, it } from '@jest/globals';
import type { Means } from '@nest-messaging/core/contract';
import { describeTransport, type GuaranteeResult } from '@nest-messaging/testing/conformance';
import { around } from './broken/breaking.js';
import { networkedUnderTest } from './memory-under-test.js';

/**
 * A broker without order, patterns, broadcast, replay and long delays: what it lacks must be refused, not passed over. What a
 * transport may leave out, it leaves out.
 */
const lesser = around((transport) => ({
  capabilities: {
    ...transport.capabilities,
    ordered: false,
    patterns: false,
    broadcast: false,
    maxDelay: 3_600_000,
    maxHold: 3_600_000,
    replay: false,
  },
  backlog: undefined,
  subscribe: async (...about) => ({ ...(await transport.subscribe(...about)), resize: undefined }),
  planner: {
    ...transport.planner,
    subscription(subscription) {
      const plan = transport.planner.subscription(subscription);
      const none: Means = { support: false, how: 'not at all' };
      return { ...plan, means: { ...plan.means, ordered: none, patterns: none, broadcast: none } };
    },
  },
}));

let results: readonly GuaranteeResult[] = [];

describeTransport(
  {
    name: 'a broker that can do less',
    create: () => networkedUnderTest(lesser),
    lacks: { backlog: 'it does not tell', resize: 'the engine begins another consumer' },
    report(shown) {
      results = shown;
    },
  },
  { afterAll, describe, it },
);

afterAll(() => {
  const refused = new Set(results.filter(({ kept }) => kept === 'refused').map(({ concern }) => concern));
  // Nothing to compare where a filter left most of them out.
  if (results.length < 100) return;
  assert.deepEqual([...refused].sort(), [
    'Batches',
    'Broadcast',
    'Dead letters',
    'Delayed publishing',
    'Draining',
    'Failing handlers',
    'Order',
    'Patterns',
    'Reconnect',
    'Redrive',
    'Replay',
  ]);
});
