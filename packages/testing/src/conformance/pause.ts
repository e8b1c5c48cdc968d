import assert from 'node:assert/strict';
import type { SubscriptionId } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { acknowledge, gate } from './probe.js';
import type { Service } from './service.js';

/** A circuit that a test opens, and a probe that succeeds closes. */
function circuit() {
  const opening = new Set<() => void>();
  const closing = new Set<() => void>();
  const listeners = (all: Set<() => void>) => (listener: () => void) => {
    all.add(listener);
    return { dispose: () => void all.delete(listener) };
  };
  return {
    open: () => opening.forEach((listener) => listener()),
    breaker: {
      onBreak: listeners(opening),
      onReset: listeners(closing),
      async execute(run: () => Promise<unknown>): Promise<void> {
        await run();
        closing.forEach((listener) => listener());
      },
    },
  };
}

/** The subscription of the service's own group. */
const own = (service: Service, name: string): SubscriptionId => ({
  source: { kind: 'topic', name },
  group: service.used.environment.service,
});

export const pause = concern('Pause', (states) => {
  states(
    'A subscription that is paused takes nothing, and loses nothing until it is resumed',
    async ({ serve, topic, until }) => {
      const seen: unknown[] = [];
      const service = await serve([
        { on: topic('paused'), handle: (payload) => void seen.push(payload) },
        { on: topic('other'), handle: (payload) => void seen.push(payload) },
      ]);
      const { pause: pauses, resume: resumes } = service.engine.subscriptions;
      const id = own(service, topic('paused'));
      await service.publish(topic('paused'), 'before');
      await until(() => service.count('handled') === 1, 'the one before');
      await pauses(id);
      await pauses(id);
      await service.publish(topic('paused'), 'meanwhile');
      await service.publish(topic('other'), 'other');
      await until(() => service.count('handled') === 2, 'the other subscription');
      assert.deepEqual(seen, ['before', 'other']);
      await resumes(id);
      await resumes(id);
      await until(() => seen.includes('meanwhile'), 'what was published meanwhile');
    },
  );

  states('Health shows what is paused, and is ready', async ({ serve, topic }) => {
    const service = await serve([{ on: topic(), handle() {} }]);
    const id = own(service, topic());
    const paused = async (): Promise<string[]> => {
      const { ready, parts } = await service.engine.health();
      assert.equal(ready, true);
      return parts.flatMap((part) => (part.paused ? [part.name] : []));
    };
    const before = (await service.engine.health()).parts.length;
    assert.deepEqual(await paused(), []);
    await service.engine.subscriptions.pause(id);
    const [name, ...others] = await paused();
    assert.ok(name?.includes(topic()) && others.length === 0, 'it does not name what is paused');
    assert.equal((await service.engine.health()).parts.length, before);
    await service.engine.subscriptions.resume(id);
    assert.deepEqual(await paused(), []);
  });

  states('Pausing waits until what runs has ended and is settled', async ({ serve, topic, until }) => {
    const door = gate();
    const seen: unknown[] = [];
    const service = await serve([
      {
        on: topic(),
        options: { concurrency: 1 },
        async handle(payload) {
          seen.push(payload);
          await door.opened;
        },
      },
    ]);
    const id = own(service, topic());
    await service.publish(topic(), 'in hand');
    await until(() => seen.length === 1, 'it to be in hand');
    let paused = false;
    const pausing = service.engine.subscriptions.pause(id).then(() => (paused = true));
    await service.publish(topic(), 'next');
    for (let i = 0; i < 20; i++) await new Promise((resolve) => setImmediate(resolve));
    assert.equal(paused, false, 'it did not wait');
    door.open();
    await until(() => paused, 'it to be paused');
    await pausing;
    assert.equal(service.count('handled'), 1);
    await service.engine.subscriptions.resume(id);
    await until(() => service.count('handled') === 2, 'the next one');
    assert.deepEqual(seen, ['in hand', 'next']);
  });

  states(
    'Pausing a subscription in one process leaves the others of its group working',
    async ({ serve, topic, until }) => {
      const [one, other] = [
        await serve([{ on: topic(), handle() {} }]),
        await serve([{ on: topic(), handle() {} }]),
      ];
      await one.engine.subscriptions.pause(own(one, topic()));
      for (let i = 0; i < 10; i++) await one.publish(topic(), i);
      await until(() => other.count('handled') === 10, 'all of them in the other process');
      assert.equal(one.count('handled'), 0);
    },
  );

  states('Pausing what no handler of the process has is refused', async ({ serve, topic }) => {
    const service = await serve([{ on: topic(), handle() {} }]);
    const pausing = service.engine.subscriptions.pause(own(service, topic('unknown')));
    await assert.rejects(pausing, (error: Error & { code?: string }) => {
      assert.equal(error.code, 'CONFIGURATION');
      assert.ok(error.message.includes(topic()), `'${error.message}' does not say what there is`);
      return true;
    });
  });

  states(
    'While a circuit is open its subscription takes nothing, none of its messages is set aside, and all are handled when it closes',
    async ({ serve, topic, until }) => {
      const { open, breaker } = circuit();
      const handled = new Set<unknown>();
      let down = true;
      let failures = 0;
      let probes = 0;
      const check = (): void => {
        if (down) throw new Error('the dependency is down');
      };
      const service = await serve([
        {
          on: topic(),
          options: { concurrency: 4 },
          handle(payload) {
            // As a breaker does that has counted enough.
            if (down && ++failures === 3) open();
            check();
            handled.add(payload);
          },
        },
      ]);
      service.engine.subscriptions.pauseWhileOpen(own(service, topic()), {
        breaker,
        every: 100,
        probe() {
          probes++;
          check();
        },
      });
      for (let i = 0; i < 20; i++) await service.publish(topic(), i);
      await until(() => service.count('paused') === 1 && probes >= 2, 'the circuit to be probed');
      const counted = failures;
      assert.ok(counted < 20, 'it went on taking messages');
      down = false;
      await until(() => handled.size === 20, 'all of them', 30_000);
      assert.deepEqual(await service.deadLetters(topic()), []);
      assert.equal(failures, counted);
    },
  );

  states(
    'How much a consumer has in hand can be changed while it runs, and nothing is interrupted',
    async ({ open, topic, until }) => {
      const application = await open();
      const door = gate();
      let running = 0;
      let most = 0;
      const probe = await application.subscribe(topic(), { maxUnsettled: 2 }, async () => {
        if (probe.seen.length <= 5) {
          await door.opened;
          return acknowledge;
        }
        most = Math.max(most, ++running);
        await new Promise((resolve) => setImmediate(resolve));
        running--;
        return acknowledge;
      });
      const { consumer } = probe;
      if (!consumer.resize)
        assert.fail("its consumers have no 'resize': give them one, or say in 'lacks' why they have none");
      for (let i = 0; i < 20; i++) await application.publish(topic(), `${i}`);
      await until(() => probe.unsettled === 2, 'as many as at first');
      consumer.resize(5);
      await until(() => probe.unsettled === 5, 'as many as from then on');
      consumer.resize(1);
      door.open();
      await until(() => probe.seen.length === 20, 'the rest, one by one');
      assert.equal(most, 1, 'it kept on to have more in hand');
      assert.equal(new Set(probe.texts).size, 20);
    },
    { optional: 'resize' },
  );

  states(
    'How many handlers run at a time can be changed while they do, and no message is lost or handled twice',
    async ({ serve, topic, until }) => {
      const door = gate();
      const seen: unknown[] = [];
      let running = 0;
      let most = 0;
      const service = await serve([
        {
          on: topic(),
          options: { concurrency: 1 },
          async handle(payload) {
            most = Math.max(most, ++running);
            if (String(payload).startsWith('held')) await door.opened;
            running--;
            seen.push(payload);
          },
        },
      ]);
      const { resize, list } = service.engine.subscriptions;
      const id = own(service, topic());
      const publish = async (name: string, count: number): Promise<void> => {
        for (let i = 0; i < count; i++) await service.publish(topic(), `${name} ${i}`);
      };
      await publish('first', 5);
      await until(() => seen.length === 5, 'those handled one by one');
      assert.equal(most, 1);
      await resize(id, 4);
      assert.equal(list()[0]!.concurrency, 4);
      await publish('held', 8);
      await until(() => running === 4, 'four at a time');
      door.open();
      await until(() => seen.length === 13, 'those handled by four');
      assert.equal(most, 4);
      await resize(id, 1);
      most = 0;
      await publish('last', 5);
      await until(() => seen.length === 18, 'those handled one by one again');
      assert.equal(most, 1);
      assert.equal(new Set(seen).size, 18);
      assert.equal(service.count('handled'), 18);
    },
  );
});
