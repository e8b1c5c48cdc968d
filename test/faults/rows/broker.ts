import assert from 'node:assert/strict';
import type { Row } from '../row.js';
import { WORK, type Stage } from '../stage.js';

/** Much under way: some fail once, some always, some wait. */
async function load(stage: Stage): Promise<{ end: () => Promise<void> }> {
  const { ledger, until } = stage;
  const publisher = await stage.start({ handlers: [] });
  const about = { topic: WORK, pause: 5 };
  const loads = [
    { ...about, name: 'plain', lanes: 8 },
    { ...about, name: 'once', lanes: 2, payload: { act: 'fail', times: 1 } },
    { ...about, name: 'always', lanes: 1, pause: 200, payload: { act: 'fail' } },
    { ...about, name: 'later', lanes: 1, delay: 600 },
  ] as const;
  for (const each of loads) await publisher.begin(each);
  await until(
    () =>
      ledger.handled().size > 300 &&
      loads.every(({ name }) => [...ledger.resolved].some((id) => id.startsWith(name))),
    'load',
  );
  return {
    async end() {
      for (const { name } of loads) {
        const { pending } = await publisher.end(name);
        assert.equal(pending, 0);
      }
    },
  };
}

/** Whoever was refused can try again, and is told so. */
function assertRetryable({ ledger }: Stage): void {
  for (const { id, retryable, text } of ledger.rejected.values())
    assert.ok(retryable, `${id} was rejected with an error that is not retryable: ${text}`);
}

const HANDLERS = [
  {
    topic: WORK,
    options: { concurrency: 50, retry: { attempts: 3, backoff: { initial: 200, jitter: 0 } } },
  },
];

export const brokerRows: readonly Row[] = [
  ...(['kill', 'stop'] as const).map((how): Row => ({
    number: how === 'kill' ? 1 : 2,
    fault:
      how === 'kill'
        ? 'the broker is killed in mid-publish, under load'
        : 'the broker is restarted under load',
    needs: ['restart'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const worker = await stage.start({ handlers: HANDLERS });
      const under = await load(stage);
      await site.settled(stage.namespace);
      await site[how]();
      await stage.health(worker, false);
      await site.restart();
      await stage.goesOn();
      await stage.health(worker, true);
      const resolved = ledger.resolved.size;
      await until(() => ledger.resolved.size > resolved + 50, 'publishing to go on');
      await under.end();
      assertRetryable(stage);
      await stage.balance(worker);
    },
  })),
  {
    number: 4,
    fault: 'connections are reset in mid-publish',
    needs: ['network'],
    async run(stage) {
      const worker = await stage.start({ handlers: HANDLERS });
      const under = await load(stage);
      for (let cut = 1; cut <= 5; cut++) {
        await stage.site.network.cut();
        await stage.goesOn();
      }
      await stage.health(worker, true);
      await under.end();
      assertRetryable(stage);
      await stage.balance(worker);
    },
  },
  {
    number: 5,
    fault: 'packets vanish while connections stay open',
    needs: ['network'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const worker = await stage.start({ module: { publish: { timeout: '3s' } } });
      await worker.publish({ name: 'before', topic: WORK });
      await site.network.swallow();
      await worker.publish({ name: 'lost', topic: WORK });
      const { ms, retryable } = ledger.rejected.get('lost-0')!;
      assert.ok(retryable && ms < 4_500, `it rejected after ${Math.round(ms)} ms`);
      await stage.health(worker, false);
      await site.network.mend();
      await stage.health(worker, true);
      await worker.publish({ name: 'after', topic: WORK });
      await until(() => ledger.handled().has('after-0'), 'the message after it');
      await stage.balance(worker);
    },
  },
  {
    number: 6,
    fault: 'the broker is absent, or its name unknown, at start',
    needs: ['network'],
    async run(stage) {
      for (const host of ['127.0.0.1:1', 'no-such-host.invalid:4321']) {
        const { broker, secret } = stage.site.nowhere(host);
        const began = performance.now();
        const application = stage.launch({ broker, module: { connectTimeout: '3s' } });
        await stage.until(() => application.ended !== undefined, 'the application to be refused', 20_000);
        assert.ok(performance.now() - began < 15_000, 'it took too long');
        const refused = application.told.find((one) => one.told === 'refused');
        assert.equal(refused?.code, 'CONNECTION');
        assert.ok(refused.text.includes(host), `the error does not name ${host}: ${refused.text}`);
        assert.equal(JSON.stringify(application.told).includes(secret), false, 'a secret was told');
        assert.equal(application.ended?.code, 1);
      }
    },
  },
];
