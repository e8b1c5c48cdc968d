import assert from 'node:assert/strict';
import type { Row } from '../row.js';
import { WORK } from '../stage.js';
import { assertRefusals, BOUND, largestHeap, LIMITS } from './pressure.js';

export const alarmRows: readonly Row[] = [
  {
    number: 9,
    fault: 'the broker runs short of memory and blocks whoever publishes',
    needs: ['alarm'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const { raise, clear } = site.alarm!;
      const worker = await stage.start({ module: { publish: LIMITS } });
      try {
        await worker.begin({ name: 'm', topic: WORK, lanes: 1_500, size: 1_000, pause: 1_000 });
        await until(() => ledger.handled().size > 100, 'load');
        const before = (await worker.held()).heapUsed;
        await raise();
        await until(
          async () => JSON.stringify(await worker.health()).includes('blocked by the broker'),
          'health to say that it is blocked',
        );
        assert.equal(await worker.ready(), false);
        const refused = ledger.rejected.size;
        const largest = await largestHeap(worker, 15);
        assert.ok(largest - before < BOUND, `the heap grew from ${before} to ${largest} bytes`);
        assert.ok(ledger.rejected.size > refused + 1_000, 'nothing was refused');
        assert.equal(await worker.ready(), false);
        // Consuming has a connection of its own: what the broker has is still handled.
        const resolved = [...ledger.resolved];
        await until(() => resolved.every((id) => ledger.handled().has(id)), 'what was there to be handled');
      } finally {
        await clear();
      }
      await stage.health(worker, true);
      const resolved = ledger.resolved.size;
      await until(() => ledger.resolved.size > resolved + 100, 'publishing to go on');
      await stage.goesOn(100);
      const { pending } = await worker.end('m');
      assert.equal(pending, 0);
      assertRefusals(stage, 6_000);
      await stage.balance(worker);
    },
  },
];
