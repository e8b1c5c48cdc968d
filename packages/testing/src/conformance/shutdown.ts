import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { acknowledge, behind, forever, gate } from './probe.js';

export const shutdown = concern('Shutdown', (states) => {
  states('A consumer that stops takes nothing more', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const stopping = await one.subscribe(topic());
    await stopping.consumer.stop();
    for (let i = 0; i < 10; i++) await one.publish(topic(), `${i}`);
    const other = await two.subscribe(topic());
    await until(() => new Set(other.texts).size === 10, 'all of them in another process');
    assert.equal(stopping.seen.length, 0);
  });

  states('Stopping waits until each message in hand is settled', async ({ open, topic, until }) => {
    const application = await open();
    const door = gate();
    const probe = await application.subscribe(topic(), { maxUnsettled: 3 }, behind(door));
    for (let i = 0; i < 5; i++) await application.publish(topic(), `${i}`);
    await until(() => probe.unsettled === 3, 'three messages in hand');
    let stopped = false;
    const stop = probe.consumer.stop().then(() => (stopped = true));
    // A round trip to the broker and back: had it not waited, it would have stopped by then.
    const other = await application.subscribe(topic('other'));
    await application.publish(topic('other'));
    await until(() => other.seen.length === 1, 'a message elsewhere');
    assert.equal(stopped, false, 'it stopped while handlers were running');
    door.open();
    await stop;
    assert.equal(probe.seen.length, 3, 'it took more after it was told to stop');
    assert.equal(probe.unsettled, 0);
    await application.transport.close();
    // What was settled by then does not come again; what was not taken does.
    const next = await open();
    const rest = await next.subscribe(topic());
    await until(() => rest.seen.length === 2, 'the two that were not taken');
    assert.deepEqual([...rest.texts, ...probe.texts].sort(), ['0', '1', '2', '3', '4']);
  });

  states('Stopping one subscription leaves the others running', async ({ open, topic, until }) => {
    const application = await open();
    const stopping = await application.subscribe(topic('one'));
    const running = await application.subscribe(topic('two'));
    await stopping.consumer.stop();
    await application.publish(topic('two'));
    await until(() => running.seen.length === 1, 'the message in the one that runs');
  });

  states('Stopping and closing twice does no harm', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic());
    await Promise.all([probe.consumer.stop(), probe.consumer.stop()]);
    await probe.consumer.stop();
    await Promise.all([application.transport.close(), application.transport.close()]);
    await application.transport.close();
    const next = await open();
    const after = await next.subscribe(topic());
    await next.publish(topic());
    await until(() => after.seen.length === 1, 'a message in another application');
  });

  states('What was decided before closing is carried out', async ({ open, topic, until }) => {
    const first = await open();
    const doors = new Map(['0', '1', '2'].map((text) => [text, gate()]));
    const before = await first.subscribe(topic(), {}, (seen) => behind(doors.get(seen.text)!)(seen));
    for (const text of doors.keys()) await first.publish(topic(), text);
    await until(() => before.unsettled === 3, 'three messages in hand');
    doors.get('0')!.open();
    doors.get('1')!.open();
    await until(() => before.unsettled === 1, 'two of them to be decided');
    await first.transport.close();
    const second = await open();
    const after = await second.subscribe(topic(), { maxUnsettled: 1 });
    await second.publish(topic(), 'last');
    await until(
      () => after.texts.includes('last') && after.texts.includes('2'),
      'the undecided one and the last',
    );
    assert.deepEqual([...after.texts].sort(), ['2', 'last']);
  });

  states('After closing, nothing more is handed over', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const closing = await one.subscribe(topic(), { maxUnsettled: 2 }, forever);
    for (let i = 0; i < 6; i++) await one.publish(topic(), `${i}`);
    await until(() => closing.unsettled === 2, 'two messages in hand');
    await one.transport.close();
    const other = await two.subscribe(topic());
    await until(() => new Set(other.texts).size === 6, 'all six in another process');
    assert.equal(closing.seen.length, 2);
  });

  states('Publishing and subscribing after closing are refused', async ({ open, topic }) => {
    const application = await open();
    await application.transport.close();
    await assert.rejects(application.publish(topic()), { code: 'CLOSED' });
    await assert.rejects(application.subscribe(topic()), { code: 'CLOSED' });
  });

  states(
    'Publishes that still wait at closing reject',
    async ({ open, topic, hook }) => {
      const application = await open();
      const proceed = await hook('stall')();
      const publish = application.publish(topic());
      const rejected = assert.rejects(publish, { code: 'CLOSED' });
      await application.transport.close();
      await rejected;
      await proceed();
    },
    { hook: 'stall' },
  );

  states('An application that never connected can be closed', async ({ prepare, topic }) => {
    const application = prepare();
    await assert.rejects(application.publish(topic()), { code: 'CLOSED' });
    await application.transport.close();
  });

  states('Closing leaves the other applications alone', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const running = await two.subscribe(topic(), {}, () => acknowledge);
    await one.transport.close();
    await two.publish(topic());
    await until(() => running.seen.length === 1, 'the message in the other application');
  });
});
