import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { acknowledge, inTurn, retry } from './probe.js';
import { assertTakes } from './timing.js';

export const retries = concern('Retry', (states) => {
  states('A failed message comes again, and each failure is counted', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), {}, inTurn(retry(0), retry(0), retry(0), acknowledge));
    await application.publish(topic(), 'x');
    await until(() => probe.seen.length === 4, 'four attempts');
    assert.deepEqual(
      probe.seen.map(({ attempt }) => attempt),
      [1, 2, 3, 4],
    );
  });

  states(
    'A failed message comes again after its delay',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), {}, ({ attempt }) =>
        attempt < 3 ? retry(attempt * 1_500) : acknowledge,
      );
      await assertTakes({ 'the second attempt': 1_500, 'the third attempt': 3_000 }, async () => {
        const before = probe.seen.length;
        await application.publish(topic());
        await until(() => probe.seen.length === before + 3, 'three attempts');
        const [first, second, third] = probe.seen.slice(before).map(({ at }) => at) as [
          number,
          number,
          number,
        ];
        return { 'the second attempt': second - first, 'the third attempt': third - second };
      });
    },
    { waits: true },
  );

  states(
    'Others of its subscription are not held up while a failed message waits',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), { maxUnsettled: 1 }, ({ text, attempt }) =>
        text === 'failing' && attempt === 1 ? retry(6_000) : acknowledge,
      );
      await application.publish(topic(), 'failing');
      await until(() => probe.seen.length === 1, 'it to fail');
      for (let i = 0; i < 5; i++) await application.publish(topic(), 'other');
      await until(() => probe.seen.length === 7, 'all seven deliveries');
      assert.deepEqual(probe.texts, ['failing', 'other', 'other', 'other', 'other', 'other', 'failing']);
      const [first, ...others] = probe.seen.slice(0, 6).map(({ at }) => at);
      for (const at of others) assert.ok(at - first! < 5_000, `another came after ${at - first!} ms`);
    },
    { waits: true },
  );

  states(
    'A short wait is not held up by a longer one',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), {}, ({ text, attempt }) =>
        attempt === 1 ? retry(text === 'long' ? 9_000 : 1_000) : acknowledge,
      );
      const of = (wanted: string) => probe.seen.filter(({ text }) => text === wanted);
      await application.publish(topic(), 'long');
      await until(() => probe.seen.length === 1 && probe.unsettled === 0, 'the long wait to begin');
      let count = 0;
      await assertTakes({ 'the short one': 1_000 }, async () => {
        const name = `short ${++count}`;
        await application.publish(topic(), name);
        await until(() => of(name).length === 2, 'the short one again');
        const [first, second] = of(name).map(({ at }) => at) as [number, number];
        return { 'the short one': second - first };
      });
      assert.equal(of('long').length, 1, 'the long wait was over too soon');
    },
    { waits: true },
  );

  states('A failure concerns only the group in which it happened', async ({ open, topic, group, until }) => {
    const application = await open();
    const failing = await application.subscribe(topic(), { group: group('failing') }, ({ attempt }) =>
      attempt < 3 ? retry(0) : acknowledge,
    );
    const fine = await application.subscribe(topic(), { group: group('fine'), maxUnsettled: 1 });
    await application.publish(topic(), 'once');
    await until(() => failing.seen.length === 3, 'three attempts in the group that fails');
    await until(() => fine.texts.includes('once'), 'it in the group that is fine');
    await application.publish(topic(), 'last');
    await until(() => fine.texts.includes('last'), 'the last message in the group that is fine');
    assert.deepEqual(fine.texts, ['once', 'last']);
  });

  states(
    'A message that waits for its next attempt survives the process that failed',
    async ({ open, topic, until }) => {
      const first = await open();
      const before = await first.subscribe(topic(), {}, () => retry(1_000));
      await first.publish(topic(), 'survivor');
      await until(() => before.seen.length === 1 && before.unsettled === 0, 'the first attempt');
      await first.transport.close();
      const second = await open();
      const after = await second.subscribe(topic());
      await until(() => after.seen.length === 1, 'the second attempt in another process');
      assert.equal(after.seen[0]!.attempt, 2);
    },
    { waits: true },
  );

  states('The message is the same at each attempt', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic(), {}, ({ message, attempt }) => {
      message.body.fill(0); // what a handler does to its copy is its own affair
      return attempt < 3 ? retry(0) : acknowledge;
    });
    await application.publish(topic(), {
      body: '{"n":1}',
      headers: { colour: 'red', Tone: 'ärgerlich' },
      key: 'k1',
      correlationId: 'conversation',
      causationId: 'cause',
      version: '2',
      expiresAt: 4_102_444_800_000,
    });
    await until(() => probe.seen.length === 3, 'three attempts');
    const [first, ...later] = probe.seen;
    for (const { text, message } of later) {
      assert.equal(text, '{"n":1}');
      assert.deepEqual({ ...message, body: undefined }, { ...first!.message, body: undefined });
    }
  });

  states('A task of a queue is retried as an event is', async ({ open, queue, until }) => {
    const application = await open();
    const probe = await application.subscribe(queue(), {}, inTurn(retry(0), acknowledge));
    await application.publish(queue(), 'task');
    await until(() => probe.seen.length === 2, 'two attempts');
    assert.deepEqual(
      probe.seen.map(({ text, attempt, message }) => [text, attempt, message.destination]),
      [
        ['task', 1, queue()],
        ['task', 2, queue()],
      ],
    );
  });

  states('A message under a pattern is retried under its own topic', async ({ open, topic, until }) => {
    const application = await open();
    const probe = await application.subscribe(topic('order.*'), {}, inTurn(retry(0), acknowledge));
    const exact = await application.subscribe(topic('order.placed'), { maxUnsettled: 1 });
    await application.publish(topic('order.placed'), 'x');
    await until(() => probe.seen.length === 2, 'two attempts');
    assert.equal(probe.seen[1]!.message.destination.name, topic('order.placed'));
    await until(() => exact.texts.includes('x'), 'it in the other subscription');
    await application.publish(topic('order.placed'), 'last');
    await until(() => exact.texts.includes('last'), 'the last message');
    assert.deepEqual(exact.texts, ['x', 'last'], 'the copy reached a subscription that had not failed');
  });
});
