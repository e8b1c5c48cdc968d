import assert from 'node:assert/strict';
import type { ApplicationConfig } from '../application.js';
import type { Row } from '../row.js';
import { WORK } from '../stage.js';

export const processRows: readonly Row[] = [
  {
    number: 15,
    fault: 'a process is killed in mid-handling',
    needs: ['network'],
    async run(stage) {
      const { ledger, until } = stage;
      const handlers = [{ topic: WORK, ms: 400, options: { concurrency: 10 } }];
      const first = await stage.start({ handlers });
      const publisher = await stage.start({ handlers: [] });
      await publisher.publish({ name: 'm', topic: WORK, count: 100, lanes: 10 });
      await until(() => ledger.handled().size >= 10, 'it to handle');
      await first.stop('SIGKILL');
      const second = await stage.start({ handlers });
      await stage.balance(second);
      // What was in its hands, and what it had just done.
      assert.ok(ledger.duplicates() <= 20, `${ledger.duplicates()} were handled twice`);
      assert.ok(
        ledger.runs.every(({ attempt }) => attempt === 1),
        'the death used up an attempt',
      );
    },
  },
  {
    number: 16,
    fault: 'a message kills its process each time, among nine innocents',
    needs: ['network', 'counts'],
    async run(stage) {
      const { ledger, until } = stage;
      const handlers = [
        {
          topic: WORK,
          ms: 200,
          options: { concurrency: 10, retry: { attempts: 3, backoff: { initial: 100 } } },
        },
      ];
      const publisher = await stage.start({ handlers: [] });
      // The subscription is made before anything is published.
      await (await stage.start({ handlers })).stop('SIGTERM');
      for (let n = 0; n < 9; n++) await publisher.publish({ name: `innocent-${n}`, topic: WORK });
      await publisher.publish({ name: 'poison', topic: WORK, payload: { act: 'die' } });
      // Whoever runs processes starts a dead one again.
      let deaths = 0;
      let worker = stage.launch({ handlers });
      await until(
        async () => {
          if (worker.ended) {
            deaths++;
            worker = stage.launch({ handlers });
          }
          ledger.setAside(await publisher.letters({ topic: WORK }));
          return ledger.dead().has('poison-0') && ledger.handled().size === 9;
        },
        () =>
          `the poison alone to be set aside: after ${deaths} deaths, ${ledger.handled().size} innocents were handled`,
        120_000,
      );
      assert.deepEqual([...ledger.dead().keys()], ['poison-0']);
      await stage.balance(publisher);
    },
  },
  {
    number: 17,
    fault: 'a handler is slower than a session or a visibility time-out',
    needs: ['expiry'],
    async run(stage) {
      const { ledger, until } = stage;
      const worker = await stage.start({
        handlers: [{ topic: WORK, ms: 14_000, options: { concurrency: 5 } }],
      });
      // Another one would get what expires.
      await stage.start({ handlers: [{ topic: WORK, ms: 14_000, options: { concurrency: 5 } }] });
      await worker.publish({ name: 'm', topic: WORK, count: 8 });
      await until(() => ledger.handled().size === 8, 'all of them to be handled', 60_000);
      await stage.balance(worker);
      assert.equal(ledger.runs.filter(({ told }) => told === 'began').length, 8, 'some were handled twice');
      await stage.health(worker, true);
    },
  },
  {
    number: 30,
    fault: 'SIGTERM with 50 handlers running',
    needs: [],
    async run(stage) {
      const { ledger, until } = stage;
      const worker = await stage.start({
        handlers: [{ topic: WORK, ms: 1_500, options: { concurrency: 50 } }],
      });
      await worker.publish({ name: 'm', topic: WORK, count: 80, lanes: 20 });
      await until(() => ledger.runs.length >= 50, '50 handlers to run');
      const began = ledger.runs.filter(({ told }) => told === 'began').length;
      const { signal } = await worker.stop('SIGTERM');
      // Nest raises the signal again once its hooks have run.
      assert.equal(signal, 'SIGTERM');
      const runs = ledger.runs.filter(({ told }) => told === 'began').length;
      assert.ok(runs <= began + 1, `${runs - began} handlers began after the signal`);
      assert.equal(ledger.handled().size, runs);
      if (stage.site.durable) {
        const next = await stage.start();
        await stage.balance(next);
        assert.equal(ledger.duplicates(), 0);
      }
    },
  },
  {
    number: 31,
    fault: 'a handler hangs through shutdown',
    needs: ['network'],
    async run(stage) {
      const { ledger, until } = stage;
      const worker = await stage.start({ module: { drainTimeout: '2s' } });
      await worker.publish({ name: 'm', topic: WORK, payload: { act: 'hang' } });
      await until(() => ledger.runs.length === 1, 'it to be handled');
      const began = performance.now();
      await worker.stop('SIGTERM');
      const took = performance.now() - began;
      assert.ok(took >= 1_900 && took < 10_000, `it ended after ${Math.round(took)} ms`);
      assert.ok(
        worker.told.some((one) => one.told === 'log' && one.text.includes('still ran after the drain time')),
      );
      await stage.start();
      await until(() => ledger.runs.length === 2, 'the message to come back');
      assert.equal(ledger.runs[1]!.attempt, 1);
    },
  },
  {
    number: 32,
    fault: 'publishing during and after shutdown',
    needs: [],
    async run(stage) {
      const { ledger } = stage;
      const worker = await stage.start();
      await worker.begin({ name: 'm', topic: WORK, lanes: 8, pause: 5 });
      await stage.until(() => ledger.resolved.size > 50, 'load');
      worker.signal('SIGTERM');
      await stage.until(() => worker.ended !== undefined, 'it to end');
      assert.deepEqual([...ledger.pending.keys()], [], 'publishes that never settled');
      for (const { code } of ledger.rejected.values()) assert.equal(code, 'CLOSED');
      if (stage.site.durable) await stage.balance(await stage.start());
    },
  },
  {
    number: 35,
    fault: 'a rolling deployment: members of a group differ in what they handle',
    needs: ['network'],
    async run(stage) {
      const { ledger, until } = stage;
      const handling = (...topics: readonly string[]): Partial<ApplicationConfig> => ({
        handlers: topics.map((topic) => ({ topic })),
      });
      const topics = ['a', 'b', 'c'];
      const old = [await stage.start(handling('a', 'b')), await stage.start(handling('a', 'b', 'c'))];
      const publisher = await stage.start({ handlers: [] });
      for (const topic of topics) await publisher.begin({ name: topic, topic, pause: 20 });
      const eachGoesOn = async (): Promise<void> => {
        const count = (topic: string): number =>
          [...ledger.handled().keys()].filter((id) => id.startsWith(`${topic}-`)).length;
        const before = topics.map(count);
        await until(
          () => topics.every((topic, i) => count(topic) > before[i]! + 10),
          () => `each topic to go on: ${topics.map((topic) => `${topic} ${count(topic)}`).join(', ')}`,
        );
      };
      await eachGoesOn();
      for (const each of old) {
        await stage.start(handling('b', 'c', 'a'));
        await eachGoesOn();
        await each.stop('SIGTERM');
        await eachGoesOn();
      }
      for (const topic of topics) await publisher.end(topic);
      await stage.balance(publisher);
    },
  },
  {
    number: 37,
    fault: 'the connection is cut 30 times while messages are unhandled and dead letters are looked at',
    needs: ['network'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const worker = await stage.start({
        handlers: [
          { topic: WORK, act: 'hang', options: { concurrency: 5 } },
          { topic: 'dead', act: 'fail', options: { retry: { attempts: 1 } } },
        ],
      });
      await worker.publish({ name: 'stuck', topic: WORK, count: 5 });
      await worker.publish({ name: 'bad', topic: 'dead', count: 3 });
      const dead = { topic: 'dead' };
      await until(async () => (await worker.letters(dead)).length === 3, 'the dead letters');
      for (let cut = 1; cut <= 30; cut++) {
        await until(() => ledger.runs.filter(({ id }) => id.startsWith('stuck')).length >= 5, 'them in hand');
        const looked = worker.letters(dead).catch(() => []);
        await site.network.cut();
        await looked;
        await stage.health(worker, true);
      }
      assert.equal((await worker.letters(dead)).length, 3, 'dead letters are gone');
      await worker.stop('SIGKILL');
      const next = await stage.start({ handlers: [{ topic: WORK }, { topic: 'dead' }] });
      ledger.setAside(await next.letters(dead));
      await stage.balance(next);
      assert.deepEqual([...ledger.dead().keys()].sort(), ['bad-0', 'bad-1', 'bad-2']);
    },
  },
];
