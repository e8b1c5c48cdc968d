import { expect } from '@jest/globals';
import { onEachDriver, until } from '../stage.js';

onEachDriver('A replay', (test) => {
  test('of a pattern delivers again what was published to each of its topics, and to no other', async ({
    open,
  }) => {
    const application = await open();
    const probe = await application.subscribe('order.*', undefined, {
      brokerOptions: { from: 'beginning' },
    });
    const beside = await application.subscribe('payment.*');
    const texts = ['placed', 'paid', 'sent'].flatMap((event) => [`${event} 1`, `${event} 2`]);
    for (const text of texts) await application.publish(`order.${text.split(' ')[0]}`, text);
    await application.publish('payment.made', 'elsewhere');
    await until(() => probe.seen.length === texts.length, 'all');
    await until(() => beside.seen.length === 1, 'the other');
    await probe.stop();
    await application.transport.replay!(probe.subscription, 'beginning');
    const again = await application.subscribe('order.*');
    await until(() => again.seen.length >= texts.length, 'all once more');
    expect(again.texts.toSorted()).toEqual(texts.toSorted());
    expect(beside.texts).toEqual(['elsewhere']);
  });

  test('of a queue delivers again its tasks', async ({ open }) => {
    const application = await open();
    const queue = { kind: 'queue', name: 'work' } as const;
    // An event of the same name is another thing.
    await application.publish('work', 'event');
    for (const text of ['one', 'two', 'three']) await application.enqueue('work', text);
    const probe = await application.subscribe(queue);
    await until(() => probe.seen.length === 3, 'all');
    await probe.stop();
    await application.transport.replay!(probe.subscription, 'beginning');
    const again = await application.subscribe(queue);
    await until(() => again.seen.length >= 3, 'all once more');
    expect(again.texts.toSorted()).toEqual(['one', 'three', 'two']);
  });

  test('from a time delivers again what is as young, in each partition, and what was still to be done', async ({
    open,
    write,
    mark,
  }) => {
    const application = await open({ partitions: 4 });
    const probe = await application.subscribe('a');
    const topic = `${mark}.a`;
    const inPartition = (partition: number, ...values: string[]): Promise<void> =>
      write(topic, ...values.map((value) => ({ partition, value })));
    await inPartition(0, 'old 0');
    await inPartition(1, 'old 1');
    await inPartition(3, 'old 3');
    await until(() => probe.seen.length === 3, 'the old ones');
    const old = Date.now();
    await until(() => Date.now() > old + 1, 'another moment');
    const moment = Date.now();
    // Nothing new in one, nothing at all in none of the others.
    await inPartition(0, 'new 0', 'newer 0');
    await inPartition(1, 'new 1');
    await inPartition(2, 'new 2');
    await until(() => probe.seen.length === 7, 'the new ones');
    await probe.stop();
    await inPartition(3, 'to be done');
    const later = Date.now() + 60_000;
    await application.transport.replay!(probe.subscription, moment);
    // Never forward: a later time changes nothing.
    await application.transport.replay!(probe.subscription, later);
    const again = await application.subscribe('a');
    await until(() => again.seen.length >= 5, 'those of that time');
    expect(again.texts.toSorted()).toEqual(['new 0', 'new 1', 'new 2', 'newer 0', 'to be done']);
  });

  test('of what has never run is refused', async ({ open }) => {
    const application = await open();
    for (const name of ['a', 'order.*'])
      await expect(
        application.transport.replay!({ source: { kind: 'topic', name }, group: 'group' }, 'beginning'),
      ).rejects.toMatchObject({ code: 'TOPOLOGY', message: expect.stringMatching(/has never run/) });
  });
});
