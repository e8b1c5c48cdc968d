import assert from 'node:assert/strict';
import type { Application } from '../application.js';
import type { Row } from '../row.js';
import { WORK, type Stage } from '../stage.js';

const namesOf = ({ site, namespace }: Stage): { readonly topic: string; readonly group: string } =>
  site.log!.names(namespace, { group: 'shop', source: { kind: 'topic', name: WORK } });

/** How many records a process said are gone. */
const toldGone = ({ told }: Application): number =>
  told.reduce((sum, one) => {
    const [, from, to] =
      (one.told === 'log' && /has a gap: records (\d+) to (\d+) of partition/.exec(one.text)) || [];
    return from === undefined ? sum : sum + Number(to) - Number(from) + 1;
  }, 0);

export const kafkaRows: readonly Row[] = [
  {
    number: 11,
    fault: 'too few in-sync replicas',
    needs: ['log'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const pair = await site.log!.pair();
      try {
        const worker = await stage.start({
          broker: pair.broker,
          handlers: [{ topic: WORK }, { topic: 'other' }],
          module: { publish: { timeout: '4s' } },
        });
        for (const topic of [WORK, 'other'])
          await worker.publish({ name: `${topic}-before`, topic, count: 5 });
        await until(() => ledger.handled().size === 10, 'those before it');
        await pair.wantsBoth(namesOf(stage).topic);
        await pair.kill();
        await worker.begin({ name: 'other', topic: 'other', pause: 50 });
        const others = (): number =>
          [...ledger.handled().keys()].filter((id) => id.startsWith('other-')).length;
        // The first of them notice that the node is gone.
        await until(() => others() > 20, 'the other topic to go on');

        await worker.publish({ name: 'few', topic: WORK, count: 6, lanes: 3 });
        for (let n = 0; n < 6; n++) {
          const { retryable, code } = ledger.rejected.get(`few-${n}`) ?? {};
          assert.deepEqual({ retryable, code }, { retryable: true, code: 'PUBLISH_TIMEOUT' });
        }
        await stage.health(worker, false);
        const before = others();
        await until(() => others() > before + 20, 'the other topic to go on');

        await pair.restart();
        await stage.health(worker, true);
        await worker.publish({ name: 'after', topic: WORK, count: 5 });
        assert.ok(ledger.resolved.has('after-4'), 'publishing does not go on');
        await until(() => ledger.handled().has('after-4'), 'handling to go on');
        assert.equal((await worker.end('other')).pending, 0);
        await stage.balance(worker);
        await worker.stop('SIGTERM');
      } finally {
        await pair.remove();
      }
    },
  },
  {
    number: 12,
    fault: 'retention deletes what was not handled, and positions',
    needs: ['log'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const log = site.log!;
      const { topic, group } = namesOf(stage);
      const first = await stage.start();
      const publisher = await stage.start({ handlers: [] });
      await publisher.publish({ name: 'before', topic: WORK, count: 30, keys: 10 });
      await until(() => ledger.handled().size === 30, 'those before it');
      await first.stop('SIGTERM');
      await publisher.publish({ name: 'meanwhile', topic: WORK, count: 90, keys: 30 });
      await log.shorten(topic, 5);
      const kept = await log.ids(topic);
      const gone = new Set([...ledger.resolved].filter((id) => id.startsWith('meanwhile') && !kept.has(id)));
      assert.ok(gone.size > 0, 'nothing was deleted');

      const second = await stage.start();
      await publisher.publish({ name: 'after', topic: WORK, count: 10 });
      await stage.balance(second, undefined, gone);
      assert.equal(toldGone(second), gone.size, 'records that it says are gone');
      await stage.health(second, true);
      await second.stop('SIGTERM');

      await until(
        () =>
          log.forget(group).then(
            () => true,
            () => false,
          ),
        'its positions to be deleted',
      );
      await publisher.publish({ name: 'forgotten', topic: WORK, count: 10 });
      const third = await stage.start();
      await publisher.publish({ name: 'last', topic: WORK, count: 10 });
      await stage.balance(third, undefined, gone);
      assert.ok(
        third.told.some(
          (one) => one.told === 'log' && one.text.includes('Kafka has forgotten its positions'),
        ),
        'it does not tell that its positions are gone',
      );
      await stage.health(third, true);
    },
  },
  {
    number: 34,
    fault: 'one answer to a produce is swallowed, then more is published',
    needs: ['log'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const log = site.log!;
      const worker = await stage.start();
      const trap = await log.trap();
      // One whose publishes outlast a lost answer, many at a time; and one that gives up first, and goes on with others.
      const publishers = [
        { name: 'patient', timeout: '30s', lanes: 10, keys: 10 },
        { name: 'hasty', timeout: '3s', lanes: 1, keys: 1 },
      ] as const;
      try {
        for (const { name, timeout, lanes, keys } of publishers) {
          const load = { topic: WORK, lanes, keys };
          const publisher = await stage.start({
            broker: trap.broker,
            handlers: [],
            module: { publish: { timeout } },
          });
          await publisher.publish({ ...load, name: `${name}-first`, count: 10 });
          for (let round = 1; round <= 2; round++) {
            const swallowed = trap.swallow();
            await publisher.begin({ ...load, name: `${name}-${round}`, pause: 10 });
            await swallowed;
            const before = ledger.resolved.size;
            await until(() => ledger.resolved.size > before + 50, 'publishing to go on');
            assert.equal((await publisher.end(`${name}-${round}`)).pending, 0);
          }
          await stage.health(publisher, true);
        }
        const ids = await log.ids(namesOf(stage).topic);
        assert.deepEqual(
          [...ledger.resolved].filter((id) => !ids.has(id)),
          [],
          'resolved, and not in the log',
        );
        for (const { id, retryable } of ledger.rejected.values())
          assert.ok(retryable && id.startsWith('hasty'), `${id} was rejected`);
        await stage.balance(worker);
      } finally {
        await trap.close();
      }
    },
  },
];
