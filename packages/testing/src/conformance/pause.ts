import assert from 'node:assert/strict';
import type { SubscriptionId } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { gate } from './probe.js';
import type { Service } from './service.js';

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
});
