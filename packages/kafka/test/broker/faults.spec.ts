import { setTimeout as wait } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect } from '@jest/globals';
import { startKafka } from '../../../../scripts/brokers/kafka.mjs';
import { PRODUCE, startProxy as startTrap } from '../driver/proxy.js';
import { startProxy } from '../proxy.js';
import { acknowledge, onEachDriver, ready, retry, until, type Application } from '../stage.js';

/** What became of publishes, by body. */
interface Ledger {
  readonly resolved: Set<string>;
  readonly rejected: Map<string, unknown>;
  readonly pending: Set<string>;
}

/** Publishes, several at a time, until it is told to stop; then waits until each has come to its end. */
function load(publish: (body: string) => Promise<void>): Ledger & { stop(): Promise<void> } {
  const ledger: Ledger = { resolved: new Set(), rejected: new Map(), pending: new Set() };
  let going = true;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (going) {
      const body = `${next++}`;
      ledger.pending.add(body);
      await publish(body).then(
        () => ledger.resolved.add(body),
        (error: unknown) => ledger.rejected.set(body, error),
      );
      ledger.pending.delete(body);
      await wait(10);
    }
  };
  const lanes = Promise.all(Array.from({ length: 8 }, lane));
  return {
    ...ledger,
    async stop() {
      going = false;
      await lanes;
    },
  };
}

const partsNotReady = async ({ transport }: Application): Promise<string[]> =>
  (await transport.health()).parts.filter(({ ready: is }) => !is).map(({ name }) => name);

describe('A broker that is killed and started again under load', () => {
  let broker: Awaited<ReturnType<typeof startKafka>>;
  beforeAll(async () => {
    broker = await startKafka();
  }, 120_000);
  afterAll(() => broker?.remove());

  onEachDriver(
    'leaves',
    (test) => {
      test('all that was resolved to be handled, and everything goes on within 30 s', async ({ open }) => {
        const publisher = await open();
        const consumer = await open();
        // Every tenth fails once, so that copies are under way, too.
        const probe = await consumer.subscribe(
          'a',
          ({ message, attempt }) =>
            attempt === 1 && Buffer.from(message.body).toString().endsWith('0') ? retry(200) : acknowledge,
          { maxUnsettled: 50 },
        );
        const work = load((body) => publisher.publish('a', body));
        await until(() => work.resolved.size > 300, 'load');
        await publisher.publish('a', 'delayed', { delay: 3_000 });
        await broker.kill();
        await until(async () => !(await ready(publisher)) && !(await ready(consumer)), 'health to see it');
        expect(await partsNotReady(consumer)).toEqual(
          expect.arrayContaining([`Kafka at ${broker.url}`, "topic 'a' of group 'group'"]),
        );
        await expect(
          publisher.publish('a', 'impatient', { signal: AbortSignal.timeout(300) }),
        ).rejects.toMatchObject({ name: 'TimeoutError' });
        const [resolved, seen] = [work.resolved.size, probe.seen.length];
        await broker.start();
        const start = Date.now();
        await until(() => work.resolved.size > resolved + 8, 'publishing to go on');
        await until(() => probe.seen.length > seen + 8, 'consuming to go on');
        await until(async () => (await ready(publisher)) && (await ready(consumer)), 'health');
        expect(Date.now() - start).toBeLessThan(30_000);
        await work.stop();
        expect([work.pending.size, work.rejected.size]).toEqual([0, 0]);
        const missing = (): string[] => {
          const done = probe.seen
            .filter(({ text, attempt }) => attempt > 1 || !text.endsWith('0'))
            .map(({ text }) => text);
          const left = new Set([...work.resolved, 'delayed']);
          for (const body of done) left.delete(body);
          return [...left];
        };
        await until(
          () => missing().length === 0,
          () => `all ${work.resolved.size}: without ${missing().join()}`,
          // What waits in delays passes on once the relay's group has noticed, by its time-out, who is gone.
          60_000,
        );
        for (const application of [publisher, consumer])
          expect(application.events.map(({ type }) => type)).toEqual(
            expect.arrayContaining(['disconnected', 'connected']),
          );
      });
    },
    { brokers: () => broker.url, apart: true },
  );
});

onEachDriver('When the network fails', (test) => {
  test('one answer to a produce is swallowed and more is published: each resolved message is in the log', async ({
    open,
    read,
    brokers,
    mark,
    after,
  }) => {
    const trap = await startTrap(brokers[0]!);
    after(() => trap.close());
    const application = await open({ brokers: [trap.broker] });
    await application.publish('a', 'first');
    const swallowed = trap.swallow(PRODUCE);
    const results = [application.publish('a', 'swallowed')];
    await swallowed;
    for (let n = 0; n < 20; n++) results.push(application.publish('a', `meanwhile ${n}`));
    await Promise.all(results);
    for (let n = 0; n < 5; n++) await application.publish('a', `after ${n}`);
    const log = (await read(`${mark}.a`)).map(({ value }) => value!.toString());
    const bodies = ['first', 'swallowed'];
    for (let n = 0; n < 20; n++) bodies.push(`meanwhile ${n}`);
    for (let n = 0; n < 5; n++) bodies.push(`after ${n}`);
    expect([...new Set(log)].sort()).toEqual(bodies.sort());
  });

  test('connections are cut again and again under load: nothing that resolved is lost, each publish settles', async ({
    open,
    brokers,
    after,
  }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    const probe = await application.subscribe('a', undefined, { maxUnsettled: 50 });
    const work = load((body) => application.publish('a', body));
    for (let cut = 1; cut <= 5; cut++) {
      const [resolved, seen] = [work.resolved.size, probe.seen.length];
      await until(() => work.resolved.size > resolved + 30 && probe.seen.length > seen + 30, 'load');
      proxy.cut();
    }
    await until(() => ready(application), 'health');
    await work.stop();
    expect([work.pending.size, work.rejected.size]).toEqual([0, 0]);
    await until(() => {
      const texts = new Set(probe.texts);
      return [...work.resolved].every((body) => texts.has(body));
    }, 'all of them');
  });

  test('packets vanish: a publish rejects within its limit, it is noticed, and all goes on', async ({
    open,
    brokers,
    after,
  }) => {
    const proxy = await startProxy(brokers[0]!);
    after(() => proxy.close());
    const application = await open({ brokers: [proxy.address] });
    const probe = await application.subscribe('a');
    await application.publish('a', 'before');
    const letThrough = proxy.swallow();
    const start = Date.now();
    await expect(
      application.publish('a', 'lost', { signal: AbortSignal.timeout(500) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(Date.now() - start).toBeLessThan(2_000);
    await until(async () => !(await ready(application)), 'health to see it');
    expect(Date.now() - start).toBeLessThan(14_000);
    letThrough();
    const end = Date.now();
    await application.publish('a', 'after');
    await until(() => probe.texts.includes('after'), 'the message after it');
    await until(() => ready(application), 'health');
    expect(Date.now() - end).toBeLessThan(20_000);
  });
});
