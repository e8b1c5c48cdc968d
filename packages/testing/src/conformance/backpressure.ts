import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { acknowledge, behind, deadLetter, gate, release, retry } from './probe.js';

export const backpressure = concern('Backpressure', (states) => {
  states(
    'A handler never has more messages in hand than it allows, with 10,000 waiting',
    async ({ open, topic, until }) => {
      const application = await open();
      const first = await application.subscribe(topic());
      await first.consumer.stop();
      await Promise.all(Array.from({ length: 10_000 }, (_, i) => application.publish(topic(), `${i}`)));
      const door = gate();
      const probe = await application.subscribe(topic(), { maxUnsettled: 7 }, async () => {
        await door.opened;
        await new Promise((resolve) => setImmediate(resolve));
        return acknowledge;
      });
      await until(() => probe.unsettled === 7, 'its hands to be full');
      door.open();
      await until(() => probe.seen.length === 10_000, 'the backlog', 120_000);
      assert.equal(probe.mostUnsettled, 7);
    },
  );

  states('While its hands are full, nothing more is handed over', async ({ open, topic, group, until }) => {
    const application = await open();
    const door = gate();
    const full = await application.subscribe(topic(), { maxUnsettled: 3 }, behind(door));
    const other = await application.subscribe(topic(), { group: group('other') });
    for (let i = 0; i < 10; i++) await application.publish(topic());
    await until(
      () => full.unsettled === 3 && other.seen.length === 10,
      'the other group to have all of them',
    );
    assert.equal(full.seen.length, 3);
    door.open();
    await until(() => full.seen.length === 10, 'the rest');
    assert.equal(full.mostUnsettled, 3);
  });

  states('However a message ends, it makes room for the next', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), { maxUnsettled: 1 }, ({ text, time }) => {
      if (time > 1) return acknowledge;
      if (text === 'release') return release;
      if (text === 'retry') return retry(100);
      return text === 'dead-letter' ? deadLetter() : acknowledge;
    });
    const texts = ['acknowledge', 'release', 'retry', 'dead-letter', 'last'];
    for (const text of texts) await application.publish(topic(), text);
    await until(() => probe.seen.length === 7, 'all of them, two of them twice');
    assert.deepEqual([...new Set(probe.texts)].sort(), [...texts].sort());
    assert.equal(probe.mostUnsettled, 1);
  });
});
