import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { acknowledge, behind, gate, release } from './probe.js';

export const reconnect = concern('Reconnect', (states) => {
  states(
    'Handling and publishing go on after a cut connection',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      for (let i = 0; i < 3; i++) {
        await hook('cut')();
        await application.publish(topic(), `${i}`);
        await until(() => probe.texts.includes(`${i}`), `the message after cut ${i + 1}`, 30_000);
      }
    },
    { hook: 'cut' },
  );

  states(
    'A broadcast goes on after a cut connection',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), { broadcast: true });
      await hook('cut')();
      // What is published before the cut is noticed may be missed: a broadcast has gaps on reconnect.
      const goesOn = async (): Promise<boolean> => {
        await application.publish(topic(), 'on');
        return probe.texts.includes('on');
      };
      await until(goesOn, 'a message after the cut', 30_000);
    },
    {
      hook: 'cut',
      support: ({ broadcast }) => broadcast,
      refusal: async ({ serve, topic }) => {
        const starting = serve([{ on: topic(), options: { broadcast: true }, handle() {} }]);
        await assert.rejects(starting, { code: 'UNSUPPORTED' });
      },
    },
  );

  states(
    'A message in hand when the connection is cut is not lost, and uses up no attempt',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const door = gate();
      const probe = await application.subscribe(topic(), {}, (seen) =>
        seen.text === 'in hand' && seen.time === 1 ? behind(door, release)(seen) : acknowledge,
      );
      await application.publish(topic(), 'in hand');
      await until(() => probe.unsettled === 1, 'it to be in hand');
      await hook('cut')();
      await application.publish(topic(), 'after');
      await until(() => probe.texts.includes('after'), 'the connection to be back', 30_000);
      // It comes again by itself, or still belongs to this process, which returns it.
      door.open();
      const times = (): number[] =>
        probe.seen.filter(({ text }) => text === 'in hand').map(({ attempt }) => attempt);
      await until(() => times().length === 2, 'it to come again', 30_000);
      assert.deepEqual(times(), [1, 1]);
    },
    { hook: 'cut' },
  );

  states(
    'Through cut connections under load, each publish settles once and nothing that resolved is lost',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      const outcomes: Promise<string | undefined>[] = [];
      const publish = (body: string): void => {
        const publishing = application.publish(topic(), { body, signal: AbortSignal.timeout(20_000) });
        outcomes.push(
          publishing.then(
            () => body,
            () => undefined,
          ),
        );
      };
      for (let round = 0; round < 4; round++) {
        for (let i = 0; i < 50; i++) publish(`${round}-${i} before the cut`);
        await until(() => probe.seen.length > 0, 'messages to flow', 30_000);
        const cut = hook('cut')();
        for (let i = 0; i < 20; i++) publish(`${round}-${i} during the cut`);
        await cut;
      }
      const resolved = (await Promise.all(outcomes)).filter((body) => body !== undefined);
      assert.ok(resolved.length > 0, 'nothing was published at all');
      await until(
        () => {
          const seen = new Set(probe.texts);
          return resolved.every((body) => seen.has(body));
        },
        'all that resolved',
        30_000,
      );
    },
    { hook: 'cut' },
  );

  states(
    'While the broker is away health is not ready and says why, and is ready again by itself',
    async ({ open, topic, until, hook }) => {
      const application = await open();
      await application.subscribe(topic());
      const { transport, events } = application;
      const back = await hook('away')();
      await until(async () => !(await transport.health()).ready, 'health to see it', 30_000);
      for (const { name, ready, reason } of (await transport.health()).parts)
        if (!ready) assert.ok(reason, `${name} is not ready and does not say why`);
      assert.ok(
        events.some(({ type }) => type === 'disconnected'),
        'the lost connection was not reported',
      );
      await back();
      await until(async () => (await transport.health()).ready, 'health to be ready again', 30_000);
    },
    { hook: 'away' },
  );

  states(
    'A broker that cannot be reached at start fails in bounded time, naming the address and no password',
    async ({ prepare, hook }) => {
      const { broker, address, secret } = hook('unreachable');
      const { transport } = prepare({ connectTimeout: 1_000 }, broker);
      const start = performance.now();
      await assert.rejects(transport.connect(), (error: Error & { code?: string }) => {
        assert.equal(error.code, 'CONNECTION');
        assert.ok(error.message.includes(address), `'${error.message}' does not name ${address}`);
        assert.ok(
          !JSON.stringify([error.message, error.stack]).includes(secret),
          'the error tells the password',
        );
        return true;
      });
      assert.ok(performance.now() - start < 5_000, 'it took longer than its time limit');
    },
    { hook: 'unreachable' },
  );

  states(
    'A subscription that cannot be made in time is refused, not waited for without end',
    async ({ open, topic, until, hook }) => {
      const application = await open({ connectTimeout: 1_500 });
      const back = await hook('away')();
      let outcome: 'made' | 'refused' | undefined;
      application.subscribe(topic()).then(
        () => (outcome = 'made'),
        () => (outcome = 'refused'),
      );
      await until(() => outcome !== undefined, 'an answer', 10_000);
      assert.equal(outcome, 'refused');
      await back();
    },
    { hook: 'away' },
  );
});
