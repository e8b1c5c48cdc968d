import { setTimeout as wait } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { acknowledge, onEachDriver, until, type Application, type Probe, type Stage } from '../stage.js';

/** Members of one group that come and go, and one application that publishes all the while. */
interface Members {
  readonly current: { readonly application: Application; readonly probe: Probe }[];
  readonly all: Probe[];
  join(): Promise<void>;
  /** The one that has been there longest. */
  leave(): Promise<void>;
}

function members(
  { open }: Stage,
  options: Parameters<Stage['open']>[0],
  behaviour: Parameters<Application['subscribe']>[1],
  subscription: Parameters<Application['subscribe']>[2],
): Members {
  const current: Members['current'] = [];
  const all: Probe[] = [];
  return {
    current,
    all,
    async join() {
      const application = await open(options);
      const probe = await application.subscribe('a', behaviour, subscription);
      current.push({ application, probe });
      all.push(probe);
    },
    async leave() {
      const { application, probe } = current.shift()!;
      await probe.stop();
      await application.transport.close();
    },
  };
}

const seenBy = (probes: readonly Probe[]): Probe['seen'] => probes.flatMap(({ seen }) => seen);

/** Publishes one after the other, several at a time, until it is told to stop; answers all that resolved. */
function load(application: Application, keyOf: (n: number) => string | undefined) {
  const published: string[] = [];
  let going = true;
  let next = 0;
  const lane = async (): Promise<void> => {
    while (going) {
      const n = next++;
      await application.publish('a', `${n}`, { key: keyOf(n) });
      published.push(`${n}`);
      await wait(5);
    }
  };
  const lanes = Promise.all([lane(), lane(), lane(), lane()]);
  return {
    get count() {
      return published.length;
    },
    async stop() {
      going = false;
      await lanes;
      return published;
    },
  };
}

onEachDriver('Handlers three times slower than the session time-out', (test) => {
  test('on several members handle each message once, and none starts over for ever', async (stage) => {
    const group = members(
      stage,
      { sessionTimeout: '2s', rebalanceTimeout: '30s' },
      async () => {
        await wait(6_000);
        return acknowledge;
      },
      { maxUnsettled: 4 },
    );
    await Promise.all([group.join(), group.join()]);
    const publisher = await stage.open();
    await Promise.all(Array.from({ length: 8 }, (_, at) => publisher.publish('a', `${at}`)));
    await until(() => seenBy(group.all).length >= 4, 'the first');
    // One more comes while all are busy, which makes the group share anew.
    await group.join();
    await Promise.all(Array.from({ length: 8 }, (_, at) => publisher.publish('a', `${8 + at}`)));
    await until(
      () => seenBy(group.all).length >= 16,
      () => `all, not ${seenBy(group.all).length}`,
    );
    await Promise.all([group.leave(), group.leave(), group.leave()]);
    expect(
      seenBy(group.all)
        .map(({ text }) => Number(text))
        .sort((a, b) => a - b),
    ).toEqual(Array.from({ length: 16 }, (_, at) => at));
    expect(seenBy(group.all).every(({ attempt }) => attempt === 1)).toBe(true);
  });
});

onEachDriver('Ten joins and leaves under load', (test) => {
  test('lose nothing, and repeat nothing', async (stage) => {
    const group = members(
      stage,
      undefined,
      async () => {
        await wait(Math.random() * 30);
        return acknowledge;
      },
      { maxUnsettled: 20 },
    );
    await Promise.all([group.join(), group.join()]);
    const work = load(await stage.open({ partitions: 6 }), () => undefined);
    for (let turn = 0; turn < 10; turn++) {
      const before = seenBy(group.all).length;
      await (turn % 2 === 0 ? group.join() : group.leave());
      await until(() => seenBy(group.all).length > before + 20, 'work to go on');
    }
    const published = await work.stop();
    await until(
      () => new Set(seenBy(group.all).map(({ text }) => text)).size === published.length,
      () => `all ${published.length}, not ${new Set(seenBy(group.all).map(({ text }) => text)).size}`,
    );
    // Orderly leaves hand over what was done.
    expect(seenBy(group.all).length - published.length).toBe(0);
  });

  test('keep the order of each key, which never is in two hands, where it is `ordered`', async (stage) => {
    const busy = new Map<string, number>();
    const order = new Map<string, number[]>();
    let overlaps = 0;
    const group = members(
      stage,
      undefined,
      async ({ message }) => {
        const key = message.key!;
        const holders = (busy.get(key) ?? 0) + 1;
        busy.set(key, holders);
        // The transport hands over a partition in order; that one key is in one hand is the engine's affair within a
        // process. So this counts what two processes have of one key.
        if (holders > 1) overlaps++;
        const first = order.get(key) ?? [];
        order.set(key, first);
        const n = Number(Buffer.from(message.body).toString());
        if (!first.includes(n)) first.push(n);
        await wait(Math.random() * 20);
        busy.set(key, busy.get(key)! - 1);
        return acknowledge;
      },
      { ordered: true, maxUnsettled: 1 },
    );
    await Promise.all([group.join(), group.join()]);
    const work = load(await stage.open({ partitions: 6 }), (n) => `key-${n % 20}`);
    for (let turn = 0; turn < 10; turn++) {
      const before = seenBy(group.all).length;
      await (turn % 2 === 0 ? group.join() : group.leave());
      await until(() => seenBy(group.all).length > before + 20, 'work to go on');
    }
    const published = await work.stop();
    await until(
      () => [...order.values()].flat().length === published.length,
      () => `all ${published.length}, not ${[...order.values()].flat().length}`,
      60_000,
    );
    expect(overlaps).toBe(0);
    for (const numbers of order.values()) expect(numbers).toEqual(numbers.toSorted((a, b) => a - b));
    expect(seenBy(group.all).length - published.length).toBe(0);
  });
});
