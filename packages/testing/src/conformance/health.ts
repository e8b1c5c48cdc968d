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
