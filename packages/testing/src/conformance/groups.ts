import assert from 'node:assert/strict';
import { concern } from './guarantee.js';
import { behind, gate } from './probe.js';

export const groups = concern('Groups', (states) => {
  states('Every group gets every message, once', async ({ open, topic, group, until }) => {
    const application = await open();
    const probes = await Promise.all(
      ['billing', 'shipping', 'search'].map((name) => application.subscribe(topic(), { group: group(name) })),
    );
    for (const body of ['a', 'b', 'c']) await application.publish(topic(), body);
    await until(() => probes.every(({ seen }) => seen.length >= 3), 'three messages in each group');
    for (const { texts } of probes) assert.deepEqual([...texts].sort(), ['a', 'b', 'c']);
  });

  states('Within a group, one process handles each message', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const probes = [await one.subscribe(topic()), await two.subscribe(topic())];
    const bodies = Array.from({ length: 40 }, (_, i) => `${i}`);
    await Promise.all(bodies.map((body) => one.publish(topic(), body)));
    const all = (): string[] => probes.flatMap(({ texts }) => texts);
    await until(() => new Set(all()).size === 40, 'every message');
    assert.equal(all().length, 40, 'a message was handled twice');
  });

  states('Processes of a group share the work', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const busy = gate();
    const probes = [
      await one.subscribe(topic(), { maxUnsettled: 1 }, behind(busy)),
      await two.subscribe(topic(), { maxUnsettled: 1 }, behind(busy)),
    ];
    // More than two: a broker may share out partitions rather than messages.
    for (let i = 0; i < 30; i++) await one.publish(topic(), `${i}`);
    await until(() => probes.every(({ unsettled }) => unsettled === 1), 'each process to have one message');
    busy.open();
  });

  states('Two services that name the same group share the work', async ({ open, topic, group, until }) => {
    const one = await open({ service: group('one') });
    const two = await open({ service: group('two') });
    const probes = [await one.subscribe(topic()), await two.subscribe(topic())];
    await Promise.all(Array.from({ length: 20 }, (_, i) => one.publish(topic(), `${i}`)));
    const all = (): string[] => probes.flatMap(({ texts }) => texts);
    await until(() => new Set(all()).size === 20, 'every message');
    assert.equal(all().length, 20, 'a message was handled by both');
  });

  states('Messages wait for a group that has no process running', async ({ open, topic, until }) => {
    const first = await open();
    await first.subscribe(topic());
    await first.transport.close();
    const publishing = await open();
    for (const body of ['1', '2', '3']) await publishing.publish(topic(), body);
    const second = await open();
    const probe = await second.subscribe(topic());
    await until(() => probe.seen.length === 3, 'what was published meanwhile');
    assert.deepEqual([...probe.texts].sort(), ['1', '2', '3']);
  });

  states('A new group gets nothing older than itself', async ({ open, topic, group, until }) => {
    const application = await open();
    const old = await application.subscribe(topic(), { group: group('old') });
    await application.publish(topic(), 'older');
    await until(() => old.seen.length === 1, 'the older message in the older group');
    const young = await application.subscribe(topic(), { group: group('young') });
    await application.publish(topic(), 'newer');
    await until(() => young.texts.includes('newer'), 'the newer message');
    assert.deepEqual(young.texts, ['newer']);
  });

  states('A topic’s messages reach no subscription to another topic', async ({ open, topic, until }) => {
    const application = await open();
    const names = ['order.placed', 'order', 'order.placed.late', 'order-placed', 'Order.placed'];
    const probes = await Promise.all(names.map((name) => application.subscribe(topic(name))));
    for (const name of names) await application.publish(topic(name), name);
    await until(() => probes.every(({ seen }) => seen.length > 0), 'each topic’s message');
    for (const [i, { texts }] of probes.entries()) assert.deepEqual(texts, [names[i]]);
  });

  states('A group that is slow or stuck does not hold up another', async ({ open, topic, group, until }) => {
    const application = await open();
    const stuck = gate();
    await application.subscribe(topic(), { group: group('stuck'), maxUnsettled: 1 }, behind(stuck));
    const free = await application.subscribe(topic(), { group: group('free'), maxUnsettled: 1 });
    for (let i = 0; i < 10; i++) await application.publish(topic());
    await until(() => free.seen.length === 10, 'ten messages in the group that is free');
    stuck.open();
  });
});
