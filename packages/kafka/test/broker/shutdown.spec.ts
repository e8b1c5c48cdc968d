import { setTimeout as wait } from 'node:timers/promises';
import { expect } from '@jest/globals';
import type { Settlement } from '@nest-messaging/core/contract';
import { startProxy } from '../proxy.js';
import { acknowledge, namesOf, onEachDriver, retry, until, type Probe } from '../stage.js';

onEachDriver('An application that closes', (test) => {
  test('idle, with subscriptions and what waits, is gone within two seconds', async ({ open }) => {
    const application = await open({ sessionTimeout: '30s', discovery: '10s' });
    await Promise.all(['a', 'b', 'c', 'order.*'].map((source) => application.subscribe(source)));
    await application.subscribe({ kind: 'queue', name: 'work' });
    await application.subscribe('a', undefined, { broadcast: true });
    await application.publish('a', '{}', { delay: 60_000 });
    const start = Date.now();
    await application.transport.close();
    expect(Date.now() - start).toBeLessThan(2_000);
    expect((await application.transport.health()).ready).toBe(false);
    await expect(application.publish('a')).rejects.toMatchObject({ code: 'CLOSED' });
  });

  test('and publishes only has joined no group, until it delays something', async ({
    open,
    arrange,
    mark,
  }) => {
    const groups = async (): Promise<string[]> =>
      (await arrange((admin) => admin.listGroups())).groups
        .map(({ groupId }) => groupId)
        .filter((id) => id.startsWith(mark));
    const application = await open();
    await application.publish('a');
    await application.enqueue('work');
    expect(await groups()).toEqual([]);
    await application.publish('a', '{}', { delay: 60_000 });
    await until(async () => (await groups()).length > 0, 'the relay');
    expect(await groups()).toEqual([`${mark}.service--delay`]);
    await application.transport.close();
    // The next process has what waits passed on, without having delayed anything itself.
    const again = await open();
    await until(
      async () =>
        (await arrange((admin) => admin.describeGroups([`${mark}.service--delay`]))).groups[0]!.members
          .length === 1,
      'the relay of the next process',
    );
    await again.transport.close();
  });

  test('with some in hand and others done behind them repeats none that was done', async ({ open }) => {
    const application = await open({ partitions: 1 });
    const held = new Set(['1', '5', '10']);
    const done = new Set<string>();
    const probe = await application.subscribe(
      'a',
      async ({ message }) => {
        const text = Buffer.from(message.body).toString();
        if (held.has(text)) await new Promise(() => {});
        done.add(text);
        return acknowledge;
      },
      { maxUnsettled: 20 },
    );
    for (let n = 0; n < 20; n++) await application.publish('a', `${n}`);
    await until(() => done.size === 17, 'all but those in hand');
    const start = Date.now();
    await application.transport.close();
    expect(Date.now() - start).toBeLessThan(5_000);

    const next = await open();
    const again = await next.subscribe('a');
    await until(() => again.seen.length >= 3, 'those that were in hand');
    await next.publish('a', 'last');
    await until(() => again.texts.includes('last'), 'the last');
    expect(again.texts.slice(0, 3).sort()).toEqual(['1', '10', '5']);
    expect(again.seen).toHaveLength(4);
    // They are the same messages at the same attempt.
    expect(again.seen.every(({ attempt }) => attempt === 1)).toBe(true);
    const idOf = ({ seen }: Probe, text: string): string => seen.find((one) => one.text === text)!.message.id;
    for (const text of held) expect(idOf(again, text)).toBe(idOf(probe, text));
  });

  test('with some in hand, where it is `ordered`, keeps their order and their place', async ({ open }) => {
    const application = await open({ partitions: 1 });
    const done: string[] = [];
    await application.subscribe(
      'a',
      async ({ message }) => {
        const text = Buffer.from(message.body).toString();
        if (text === '5') await new Promise(() => {});
        done.push(text);
        return acknowledge;
      },
      { ordered: true, maxUnsettled: 10 },
    );
    for (let n = 0; n < 10; n++) await application.publish('a', `${n}`, { key: 'k', ordered: true });
    await until(() => done.length === 9, 'all but the one');
    await application.transport.close();
    const next = await open();
    const again = await next.subscribe('a', undefined, { ordered: true });
    await until(() => again.seen.length >= 5, 'it and those behind it');
    expect(again.texts).toEqual(['5', '6', '7', '8', '9']);
  });

  test('while handlers run lets them finish, and loses and repeats nothing', async (stage) => {
    const { open } = stage;
    const application = await open();
    const publisher = await open();
    let done = 0;
    const probe = await application.subscribe('a', async () => {
      await wait(300);
      done++;
      return acknowledge;
    });
    await Promise.all(Array.from({ length: 100 }, (_, n) => publisher.publish('a', `${n}`)));
    await until(() => probe.seen.length >= 10, 'some in hand');
    await probe.stop();
    const first = probe.seen.length;
    expect(done).toBe(first);
    await application.transport.close();
    const again = await publisher.subscribe('a', undefined, { maxUnsettled: 100 });
    await until(() => first + again.seen.length >= 100, 'the rest');
    expect(new Set([...probe.texts, ...again.texts]).size).toBe(100);
    expect(first + again.seen.length).toBe(100);
    expect(namesOf(stage, probe).group).toBe(`${stage.mark}.group.a`);
  });

  test('while Kafka is away ends in time, even where it waits for a settlement to be written', async ({
    open,
    brokers,
    after,
  }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    let fail!: (settlement: Settlement) => void;
    const probe = await application.subscribe('a', () => new Promise((resolve) => (fail = resolve)));
    await application.publish('a');
    await until(() => probe.seen.length === 1, 'it to be in hand');
    const back = await proxy.away();
    fail(retry(1_000));
    const stopped = probe.stop();
    const start = Date.now();
    await application.transport.close();
    await stopped;
    expect(Date.now() - start).toBeLessThan(12_000);
    await back();
    const next = await open();
    const again = await next.subscribe('a');
    await until(() => again.seen.length === 1, 'it to come again', 60_000);
  });

  test('while Kafka says nothing ends in time, with publishes under way', async ({
    open,
    brokers,
    after,
  }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    await application.publish('a');
    proxy.swallow();
    const lost = expect(application.publish('a')).rejects.toMatchObject({ code: 'CLOSED' });
    await wait(100);
    const start = Date.now();
    await application.transport.close();
    await lost;
    expect(Date.now() - start).toBeLessThan(5_000);
  });
});
