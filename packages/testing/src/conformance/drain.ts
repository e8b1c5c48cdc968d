import assert from 'node:assert/strict';
import { byFirstLetter } from './by-first-letter.js';
import { concern } from './guarantee.js';
import { gate } from './probe.js';

export const drain = concern('Draining', (states) => {
  states(
    'Handlers that run when shutdown begins end and are settled; nothing new starts',
    async ({ serve, topic, until }) => {
      const door = gate();
      const started: unknown[] = [];
      const first = await serve([
        {
          on: topic(),
          options: { concurrency: 3 },
          async handle(payload) {
            started.push(payload);
            await door.opened;
          },
        },
      ]);
      for (let i = 0; i < 8; i++) await first.publish(topic(), i);
      await until(() => started.length === 3, 'three handlers to run');
      const drained = first.engine.drain(20_000);
      door.open();
      assert.equal(await drained, true);
      assert.equal(started.length, 3, 'it started more after shutdown began');
      assert.equal(first.count('handled'), 3);
      await first.engine.close();
      const rest: unknown[] = [];
      const second = await serve([{ on: topic(), handle: (payload) => void rest.push(payload) }]);
      await until(() => rest.length === 5, 'the others in the next process');
      await second.publish(topic(), 'last');
      await until(() => rest.includes('last'), 'the last message');
      assert.deepEqual([...started, ...rest].map(String).sort(), [
        '0',
        '1',
        '2',
        '3',
        '4',
        '5',
        '6',
        '7',
        'last',
      ]);
    },
  );

  states(
    'A handler that hangs through shutdown is told at the deadline, and its message comes back',
    async ({ serve, topic, until }) => {
      const told: unknown[] = [];
      let running = false;
      const first = await serve([
        {
          on: topic(),
          handle(_, { signal }) {
            running = true;
            signal.addEventListener('abort', () => told.push(signal.reason));
            return new Promise(() => {});
          },
        },
      ]);
      await first.publish(topic(), 'precious');
      await until(() => running, 'the handler to run');
      let inTime: boolean | undefined;
      void first.engine.drain(500).then((all) => (inTime = all));
      await until(() => inTime !== undefined, 'the deadline');
      assert.equal(inTime, false);
      assert.equal(told.length, 1, 'the handler was not told');
      await first.engine.close();
      const seen: [unknown, number][] = [];
      const second = await serve([
        { on: topic(), handle: (payload, { attempt }) => void seen.push([payload, attempt]) },
      ]);
      await until(() => second.count('handled') === 1, 'the message in the next process');
      assert.deepEqual(seen, [['precious', 1]]);
    },
    { waits: true },
  );

  states(
    'A message that waits in order for its key is returned unhandled at shutdown',
    async ({ serve, topic, until }) => {
      const door = gate();
      const started: unknown[] = [];
      const on = byFirstLetter(topic());
      const first = await serve([
        {
          on,
          options: { ordered: true },
          async handle(payload) {
            started.push(payload);
            await door.opened;
          },
        },
      ]);
      for (const text of ['k1', 'k2', 'k3']) await first.publish(on, text);
      await until(() => started.length === 1, 'the first to run');
      const drained = first.engine.drain(20_000);
      door.open();
      assert.equal(await drained, true);
      await first.engine.close();
      const second = await serve([
        { on, options: { ordered: true }, handle: (payload) => void started.push(payload) },
      ]);
      await until(() => second.count('handled') === 2, 'the other two in the next process');
      assert.deepEqual(started, ['k1', 'k2', 'k3']);
    },
    {
      support: ({ ordered }) => ordered,
      refusal: async ({ serve, topic }) => {
        const starting = serve([{ on: topic(), options: { ordered: true }, handle() {} }]);
        await assert.rejects(starting, { code: 'UNSUPPORTED' });
      },
    },
  );

  states(
    'Publishing goes on while handlers drain, and rejects after the end',
    async ({ serve, topic, until }) => {
      const handling = await serve([{ on: topic(), handle() {} }]);
      const { engine, publish } = await serve();
      await engine.drain(1_000);
      await publish(topic(), 'while draining');
      await engine.close();
      await assert.rejects(publish(topic(), 'after the end'), { code: 'CLOSED' });
      await until(() => handling.count('handled') === 1, 'what was published while draining');
    },
  );

  states('Publishes under way when shutdown begins are finished first', async ({ serve, topic, until }) => {
    const handling = await serve([{ on: topic(), handle() {} }]);
    const { engine, publish } = await serve();
    const publishes = Array.from({ length: 50 }, (_, i) => publish(topic(), i));
    await engine.close();
    await Promise.all(publishes);
    await until(() => handling.count('handled') === 50, 'all of them');
  });

  states(
    'A publish that the broker does not confirm in time rejects, and says that the outcome is unknown',
    async ({ serve, topic, until, hook }) => {
      const service = await serve([], { publishTimeout: 700 });
      const proceed = await hook('stall')();
      let caught: { code?: string; retryable?: boolean; message?: string } | undefined;
      void service.publish(topic(), 1, { messageId: 'm1' }).catch((error: typeof caught) => (caught = error));
      await until(() => caught !== undefined, 'the time limit');
      assert.equal(caught!.code, 'PUBLISH_TIMEOUT');
      assert.equal(caught!.retryable, true);
      assert.match(caught!.message!, /unknown.*m1/);
      await proceed();
    },
    { hook: 'stall', waits: true },
  );
});
