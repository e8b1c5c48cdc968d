import { expect } from '@jest/globals';
import { systemClock } from '@nest-messaging/core/contract';
import { createDeadLetters } from '../../src/dead-letters.js';
import type { Client } from '../../src/driver/driver.js';
import { startProxy } from '../proxy.js';
import {
  acknowledge,
  deadLetter,
  namesOf,
  onEachDriver,
  until,
  type Application,
  type Probe,
} from '../stage.js';
import { among, listed } from '../../../../test/support/dead-letters.js';

/** A subscription with so many dead letters: `0`, `1` and so on, under ids of the same name. */
async function withLetters(application: Application, count: number): Promise<Probe & { mend(): void }> {
  let mended = false;
  const probe = await application.subscribe('a', () => (mended ? acknowledge : deadLetter()), {
    maxUnsettled: 100,
  });
  await Promise.all(
    Array.from({ length: count }, (_, at) => application.publish('a', `${at}`, { id: `${at}` })),
  );
  await until(() => probe.seen.length === count, 'all to fail');
  await until(
    async () => (await listed(application.transport.deadLetters, probe.subscription, count)).length === count,
    'all dead letters',
  );
  return Object.assign(probe, { mend: () => void (mended = true) });
}

const idsIn = async ({ transport }: Application, { subscription }: Probe): Promise<string[]> =>
  (await listed(transport.deadLetters, subscription, 10_000))
    .map(({ message }) => message.id)
    .sort((a, b) => Number(a) - Number(b));

onEachDriver('Dead letters', (test) => {
  test('are redriven and purged by id and all at once, and stay gone after a restart', async ({ open }) => {
    const application = await open();
    const probe = await withLetters(application, 10);
    const { deadLetters } = application.transport;
    expect(await idsIn(application, probe)).toEqual(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9']);
    probe.mend();
    expect(await deadLetters.redrive(probe.subscription, among(['3', '5', 'unknown']))).toBe(2);
    await until(() => probe.seen.length === 12, 'the two');
    expect(
      probe.seen
        .slice(10)
        .map(({ message, attempt }) => [message.id, attempt])
        .sort(),
    ).toEqual([
      ['3', 1],
      ['5', 1],
    ]);
    expect(await deadLetters.purge(probe.subscription, among(['0', '9']))).toBe(2);
    expect(await idsIn(application, probe)).toEqual(['1', '2', '4', '6', '7', '8']);
    // Looking takes nothing away, and shows the oldest first.
    expect(await listed(deadLetters, probe.subscription, 2)).toHaveLength(2);
    await application.transport.close();

    const again = await open();
    expect(await idsIn(again, probe)).toEqual(['1', '2', '4', '6', '7', '8']);
    expect(await again.transport.deadLetters.redrive(probe.subscription, among(['3']))).toBe(0);
    expect(await again.transport.deadLetters.purge(probe.subscription, among(['1']))).toBe(1);
    // To nobody yet: they wait until their subscription runs.
    expect(await again.transport.deadLetters.redrive(probe.subscription)).toBe(5);
    expect(await idsIn(again, probe)).toEqual([]);
    expect(await again.transport.deadLetters.redrive(probe.subscription)).toBe(0);
    const later = await again.subscribe('a');
    await until(() => later.seen.length === 5, 'the rest');
    expect(later.texts.sort()).toEqual(['2', '4', '6', '7', '8']);
  });

  test('are those of one subscription, and notes among them are shown to nobody', async (stage) => {
    const application = await stage.open();
    const other = await application.subscribe('a', () => deadLetter(), { group: 'other' });
    const probe = await withLetters(application, 6);
    await until(async () => (await idsIn(application, other)).length === 6, 'the others');
    // From the middle, so that what is before it stays and the notes with it.
    expect(await application.transport.deadLetters.purge(probe.subscription, among(['5']))).toBe(1);
    expect(await application.transport.deadLetters.purge(probe.subscription, among(['3']))).toBe(1);
    expect(await idsIn(application, probe)).toEqual(['0', '1', '2', '4']);
    expect(await idsIn(application, other)).toHaveLength(6);
    expect((await stage.read(namesOf(stage, probe).dead)).length).toBeGreaterThan(4);
    probe.mend();
    expect(await application.transport.deadLetters.redrive(probe.subscription)).toBe(4);
    await until(() => probe.seen.length === 10, 'them');
    // The note of the subscription's beginning lies where they came back, and is no message either.
    await application.publish('a', 'last');
    await until(() => probe.texts.includes('last'), 'the last');
    expect(probe.seen).toHaveLength(11);
  });

  test('are taken by two who look at the same time, without one undoing the other’s', async ({ open }) => {
    const application = await open();
    const second = await open();
    const probe = await withLetters(application, 40);
    probe.mend();
    const even = new Set(Array.from({ length: 20 }, (_, at) => `${at * 2}`));
    const odd = new Set(Array.from({ length: 20 }, (_, at) => `${at * 2 + 1}`));
    expect(
      await Promise.all([
        application.transport.deadLetters.redrive(probe.subscription, among(even)),
        second.transport.deadLetters.purge(probe.subscription, among(odd)),
      ]),
    ).toEqual([20, 20]);
    await until(() => probe.seen.length === 60, 'those that were redriven');
    expect(new Set(probe.texts.slice(40))).toEqual(even);
    expect(await idsIn(second, probe)).toEqual([]);
    // Both all: each comes at least once, and none is left.
    await application.publish('a', 'last');
    await until(() => probe.texts.includes('last'), 'the last');
    expect(probe.seen).toHaveLength(61);
  });

  test('of a thousand are listed and redriven in reasonable time', async ({ open }) => {
    const application = await open();
    const probe = await withLetters(application, 1_000);
    const start = Date.now();
    expect(await listed(application.transport.deadLetters, probe.subscription, 1_000)).toHaveLength(1_000);
    expect(Date.now() - start).toBeLessThan(5_000);
    probe.mend();
    expect(await application.transport.deadLetters.redrive(probe.subscription)).toBe(1_000);
    await until(() => probe.seen.length === 2_000, 'all of them');
    expect(Date.now() - start).toBeLessThan(15_000);
    expect(await idsIn(application, probe)).toEqual([]);
  });

  test('where there never were any are none', async ({ open }) => {
    const { transport } = await open();
    const nobody = { source: { kind: 'topic', name: 'never' }, group: 'group' } as const;
    expect(await listed(transport.deadLetters, nobody, 9)).toEqual([]);
    expect(await transport.deadLetters.redrive(nobody)).toBe(0);
    expect(await transport.deadLetters.purge(nobody)).toBe(0);
  });

  test('are shown page by page, the oldest of all partitions first', async ({ open }) => {
    const application = await open();
    const probe = await withLetters(application, 60);
    const { deadLetters } = application.transport;
    const all = await listed(deadLetters, probe.subscription, 100);
    expect(all).toHaveLength(60);
    // What is gone between two pages is missed by none.
    expect(
      await deadLetters.purge(probe.subscription, among([all[9]!.message.id, all[30]!.message.id])),
    ).toBe(2);
    const pages: string[][] = [];
    for (let after: string | undefined; pages.length < 10;) {
      const page: string[] = [];
      for await (const { message, position } of deadLetters.browse(probe.subscription, {
        after,
        limit: 20,
      })) {
        page.push(message.id);
        after = position;
      }
      if (page.length === 0) break;
      pages.push(page);
    }
    expect(pages.map(({ length }) => length)).toEqual([20, 20, 18]);
    expect(pages.flat()).toEqual(
      all.flatMap(({ message }, at) => (at === 9 || at === 30 ? [] : [message.id])),
    );
  });

  test('before a page are not read again for it', async (stage) => {
    const application = await stage.open({ partitions: 1 });
    const probe = await withLetters(application, 50);
    const { position: after } = (await listed(application.transport.deadLetters, probe.subscription, 40)).at(
      -1,
    )!;
    const offsets: number[] = [];
    const ids = await stage.ask(async (client) => {
      const watched = new Proxy(client, {
        get(target, name: keyof Client) {
          if (name !== 'fetch') return target[name].bind(target);
          return (...[node, positions, limits]: Parameters<Client['fetch']>) => {
            offsets.push(...positions.map(({ offset }) => offset));
            return target.fetch(node, positions, limits);
          };
        },
      });
      const store = createDeadLetters({
        owner: { namespace: stage.mark, service: 'service' },
        client: watched,
        publisher: undefined as never,
        clock: systemClock,
        report: () => undefined,
        closed: new AbortController().signal,
      });
      const page: string[] = [];
      for await (const { message } of store.browse(probe.subscription, { after })) page.push(message.id);
      return page;
    });
    expect(ids).toHaveLength(10);
    expect(Math.min(...offsets)).toBe(40);
  });

  test('are not waited with for a broker that goes away: one signal ends it, and none is lost', async (stage) => {
    const application = await stage.open();
    const probe = await withLetters(application, 20);
    const proxy = await startProxy(stage.brokers[0]!);
    stage.after(() => proxy.close());
    const { transport } = await stage.open({ brokers: [proxy.address] });
    probe.mend();
    const controller = new AbortController();
    let back = async (): Promise<void> => undefined;
    let asked = 0;
    const select = async (): Promise<boolean> => {
      if (++asked === 10) {
        back = await proxy.away();
        controller.abort(new Error('as the test wants it'));
      }
      return true;
    };
    const { signal } = controller;
    const began = performance.now();
    await expect(transport.deadLetters.redrive(probe.subscription, { select, signal })).rejects.toThrow();
    // A send, and a note of those before it.
    expect(performance.now() - began).toBeLessThan(30_000);
    expect(asked).toBe(10);
    expect((await idsIn(application, probe)).length).toBeGreaterThanOrEqual(10);
    await back();
    await application.transport.deadLetters.redrive(probe.subscription);
    await until(() => new Set(probe.texts.slice(20)).size === 20, 'all of them');
    expect(await idsIn(application, probe)).toEqual([]);
  });

  test('of which nothing is noted when they are redriven come twice, under one id, and none is lost', async (stage) => {
    const application = await stage.open();
    const probe = await withLetters(application, 5);
    const { deadLetters } = application.transport;
    const { dead } = namesOf(stage, probe);
    const noteFits = async (fits: boolean): Promise<void> => {
      const [name, value] = ['max.message.bytes', fits ? '1000000' : '20'];
      const topic = { type: 2, name: dead };
      await stage.arrange((admin) =>
        admin.alterConfigs({
          validateOnly: false,
          resources: [{ ...topic, configEntries: [{ name, value }] }],
        }),
      );
      const now = (): Promise<string | undefined> =>
        stage.arrange(async (admin) => {
          const { resources } = await admin.describeConfigs({
            includeSynonyms: false,
            resources: [{ ...topic, configNames: [name] }],
          });
          return resources[0]?.configEntries[0]?.configValue;
        });
      await until(async () => (await now()) === value, 'the broker to go by it');
    };
    // As a process leaves it that is killed when the subscription has them, and before they are noted.
    await noteFits(false);
    probe.mend();
    await expect(deadLetters.redrive(probe.subscription)).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    await until(() => probe.seen.length === 10, 'them, once');
    expect(await idsIn(application, probe)).toEqual(['0', '1', '2', '3', '4']);
    await noteFits(true);
    expect(await deadLetters.redrive(probe.subscription)).toBe(5);
    await until(() => probe.seen.length === 15, 'them, twice');
    expect(
      probe.seen
        .slice(5)
        .map(({ message }) => message.id)
        .sort(),
    ).toEqual(['0', '0', '1', '1', '2', '2', '3', '3', '4', '4']);
    expect(await idsIn(application, probe)).toEqual([]);
  });
});
