import assert from 'node:assert/strict';
import { concern } from './guarantee.js';

export const queues = concern('Queues', (states) => {
  states('Each message of a queue goes to exactly one worker', async ({ open, queue, group, until }) => {
    const [one, two] = [await open(), await open()];
    const probes = [
      await one.subscribe(queue(), { group: group('one') }),
      await two.subscribe(queue(), { group: group('two') }),
    ];
    const bodies = Array.from({ length: 40 }, (_, i) => `${i}`);
    await Promise.all(bodies.map((body) => one.publish(queue(), body)));
    const all = (): string[] => probes.flatMap(({ texts }) => texts);
    await until(() => new Set(all()).size === 40, 'every message');
    assert.equal(all().length, 40, 'a message was handled twice');
    const { destination } = probes.flatMap(({ seen }) => seen)[0]!.message;
    assert.deepEqual(destination, queue());
  });

  states('A queue keeps its messages until a worker exists', async ({ open, queue, until }) => {
    const sending = await open();
    for (const body of ['1', '2', '3']) await sending.publish(queue(), body);
    await sending.transport.close();
    const working = await open();
    const probe = await working.subscribe(queue());
    await until(() => probe.seen.length === 3, 'what was sent before the worker existed');
    assert.deepEqual([...probe.texts].sort(), ['1', '2', '3']);
  });

  states(
    'Senders and workers of a queue meet, whatever their services',
    async ({ open, queue, group, until }) => {
      const sending = await open({ service: group('sender') });
      await sending.publish(queue(), 'work');
      const working = await open({ service: group('worker') });
      const probe = await working.subscribe(queue(), { group: group('worker') });
      await until(() => probe.seen.length === 1, 'the work');
    },
  );

  states('A queue and a topic of one name are two things', async ({ open, topic, queue, until }) => {
    const application = await open();
    const ofTopic = await application.subscribe(topic('same'));
    const ofQueue = await application.subscribe(queue('same'));
    for (let i = 0; i < 3; i++) {
      await application.publish(topic('same'), 'event');
      await application.publish(queue('same'), 'work');
    }
    await until(() => ofTopic.seen.length >= 3 && ofQueue.seen.length >= 3, 'three events and three tasks');
    assert.deepEqual(ofTopic.texts, ['event', 'event', 'event']);
    assert.deepEqual(ofQueue.texts, ['work', 'work', 'work']);
  });
});
