import assert from 'node:assert/strict';
import { concern } from './guarantee.js';

export const health = concern('Health', (states) => {
  states('Ready from connecting to closing, and never without a reason when not', async ({ prepare }) => {
    const application = prepare();
    const { transport, events } = application;
    const before = await transport.health();
    assert.equal(before.ready, false);
    await transport.connect();
    const during = await transport.health();
    assert.equal(during.ready, true);
    assert.ok(during.parts.length > 0, 'no part is named');
    assert.ok(
      events.some(({ type }) => type === 'connected'),
      'the connection was not reported',
    );
    await transport.close();
    const after = await transport.health();
    assert.equal(after.ready, false);
    for (const { parts } of [before, after])
      for (const { name, ready, reason } of parts)
        if (!ready) assert.ok(reason, `${name} is not ready and does not say why`);
  });

  states('Every subscription has a part of its own', async ({ open, topic, queue }) => {
    const { transport, subscribe } = await open();
    const without = (await transport.health()).parts.length;
    await subscribe(topic());
    const probe = await subscribe(queue());
    const names = (await transport.health()).parts.map(({ name }) => name);
    assert.equal(names.length, without + 2);
    assert.ok(
      names.some((name) => name.includes(topic())),
      `none of ${names.join(', ')} names the topic`,
    );
    await probe.consumer.stop();
    assert.equal((await transport.health()).parts.length, without + 1, 'a stopped subscription has a part');
  });

  states(
    'A subscription whose queue or topic is deleted is not ready and says why, and works again once there is one',
    async ({ open, topic, until, hook }) => {
      const make = async (): Promise<void> => {
        const { consumer } = await (await open()).subscribe(topic());
        await consumer.stop();
      };
      await make();
      // One that may not make it anew by itself.
      const application = await open({ topology: 'validate' });
      const probe = await application.subscribe(topic());
      const part = async () =>
        (await application.transport.health()).parts.find(({ name }) => name.includes(topic()))!;
      assert.equal((await part()).ready, true);
      await hook('vanish')(probe.subscription, application.environment);
      await until(async () => !(await part()).ready, 'health to see it', 30_000);
      assert.ok((await part()).reason, 'it does not say why');
      await make();
      await until(async () => (await part()).ready, 'it to be ready again', 30_000);
      await application.publish(topic(), 'again');
      await until(() => probe.texts.includes('again'), 'what is published then', 30_000);
    },
    { hook: 'vanish' },
  );

  states(
    'Health says since when each part is as it is, and afterwards what was wrong',
    async ({ serve, topic, until, hook }) => {
      const { engine } = await serve([{ on: topic(), handle() {} }]);
      const before = await engine.health();
      for (const { name, since, lastError } of before.parts) {
        assert.equal(typeof since, 'number', `${name} does not say since when`);
        assert.equal(lastError, undefined, `${name} had an error before there was any`);
      }
      const back = await hook('away')();
      await until(async () => !(await engine.health()).ready, 'health to see it', 30_000);
      const away = await engine.health();
      assert.equal(away.live, true, 'a broker that is away is no reason to begin anew');
      const lost = away.parts.find(({ ready }) => !ready)!;
      assert.equal(lost.lastError?.message, lost.reason);
      await back();
      await until(async () => (await engine.health()).ready, 'health to be ready again', 30_000);
      const found = (await engine.health()).parts.find(({ name }) => name === lost.name)!;
      assert.ok(found.since! >= lost.since!, 'it says that it was ready all the time');
      assert.ok(found.lastError?.message, 'it has forgotten what was wrong');
    },
    { hook: 'away' },
  );

  states(
    'The broker tells how much waits for a subscription',
    async ({ open, topic, until }) => {
      const application = await open();
      const { consumer, subscription } = await application.subscribe(topic());
      const { transport } = await open();
      if (!transport.backlog)
        assert.fail("it has no 'backlog': give it one, or say in 'lacks' why it has none");
      await consumer.stop();
      for (let i = 0; i < 5; i++) await application.publish(topic());
      const waiting = (count: number) => async () => (await transport.backlog!(subscription)) === count;
      await until(waiting(5), 'all of them to be counted');
      const probe = await application.subscribe(topic());
      await until(() => probe.seen.length === 5, 'all of them');
      await until(waiting(0), 'none to be counted');
    },
    { optional: 'backlog' },
  );

  states('A broker that does not keep messages through a restart says so', async ({ open, capabilities }) => {
    const { events } = await open();
    const warnings = events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
    const warned = warnings.some((text) => text.includes('not durable'));
    assert.equal(
      warned,
      !capabilities.durable,
      `durable is ${capabilities.durable}, warnings: ${warnings.join()}`,
    );
  });
});
