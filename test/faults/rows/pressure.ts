import assert from 'node:assert/strict';
import { setTimeout as wait } from 'node:timers/promises';
import type { Application } from '../application.js';
import type { Row } from '../row.js';
import { WORK, type Stage } from '../stage.js';

const MIB = 1024 * 1024;
/** What a process may hold beyond what it held before: twice what its options let wait, and as much again for garbage. */
export const BOUND = 64 * MIB;

/** Looks at a process's heap as long as a fault lasts: memory that is bounded is bounded throughout. */
export async function largestHeap(application: Application, seconds: number): Promise<number> {
  let largest = 0;
  for (let second = 0; second < seconds; second++) {
    largest = Math.max(largest, (await application.held()).heapUsed);
    await wait(1_000);
  }
  return largest;
}

/** Each publish that was refused says which limit it met, and did not take longer than it allows. */
export function assertRefusals({ ledger }: Stage, within: number): void {
  for (const { id, code, ms } of ledger.rejected.values()) {
    assert.ok(
      code === 'OVERLOAD' || code === 'PUBLISH_TIMEOUT',
      `${id} was rejected with ${code}: expected OVERLOAD or PUBLISH_TIMEOUT`,
    );
    assert.ok(ms < within, `${id} was rejected after ${Math.round(ms)} ms`);
  }
}

export const LIMITS = { timeout: '2s', maxPending: 500, maxPendingBytes: 4 * MIB } as const;

export const pressureRows: readonly Row[] = [
  {
    number: 3,
    fault: 'the broker is away while the application publishes on',
    needs: ['network', 'bulk'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const worker = await stage.start({ module: { publish: LIMITS } });
      await worker.begin({ name: 'm', topic: WORK, lanes: 1_500, size: 1_000, pause: 1_000 });
      await until(() => ledger.handled().size > 100, 'load');
      const before = (await worker.held()).heapUsed;
      await site.network.close();
      await stage.health(worker, false);
      const largest = await largestHeap(worker, 15);
      assert.ok(largest - before < BOUND, `the heap grew from ${before} to ${largest} bytes`);
      assert.ok(ledger.rejected.size > 1_000, 'nothing was refused');
      await site.network.mend();
      await stage.health(worker, true);
      await stage.goesOn(100);
      const { pending } = await worker.end('m');
      assert.equal(pending, 0);
      assertRefusals(stage, 6_000);
      await stage.balance(worker);
    },
  },
  {
    number: 33,
    fault: 'publishing is faster than the way to the broker',
    needs: ['network', 'bulk'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const publisher = await stage.start({ handlers: [], module: { publish: LIMITS } });
      const worker = await stage.start();
      await publisher.publish({ name: 'first', topic: WORK });
      await site.network.throttle(200);
      const before = (await publisher.held()).heapUsed;
      await publisher.begin({ name: 'm', topic: WORK, lanes: 1_500, size: 4_096, pause: 1_000 });
      const largest = await largestHeap(publisher, 10);
      assert.ok(largest - before < BOUND, `the heap grew from ${before} to ${largest} bytes`);
      await site.network.mend();
      const { pending } = await publisher.end('m');
      assert.equal(pending, 0);
      assert.ok(ledger.rejected.size > 100, 'nothing was refused');
      assertRefusals(stage, 6_000);
      await publisher.publish({ name: 'last', topic: WORK });
      await until(() => ledger.handled().has('last-0'), 'the last message');
      await stage.balance(worker);
    },
  },
];
