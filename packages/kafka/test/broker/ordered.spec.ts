import { setTimeout as wait } from 'node:timers/promises';
import { expect } from '@jest/globals';
import { createEngine, type Engine, type Invoke, type MessageContext } from '@nest-messaging/core/engine';
import { kafka } from '../../src/index.js';
import { onEachDriver, until, type Stage } from '../stage.js';

const KEYS = 20;
/** So many wait for their turn, most of them in a process's hands already. */
const BACKLOG = 2_000;
/** Longer than what runs takes to end, and much shorter than what waits behind it. */
const REBALANCE = 3_000;

/** One process, as an application has it. */
function application({ brokers, driver, mark, after }: Stage, invoke?: Invoke): Engine {
  const engine = createEngine({
    broker: kafka({
      brokers,
      driver,
      partitions: 6,
      sessionTimeout: '6s',
      rebalanceTimeout: REBALANCE,
      discovery: '1s',
    }),
    connection: 'default',
    service: 'service',
    namespace: mark,
    topology: 'create',
    connectTimeout: 30_000,
    publish: { timeout: 30_000, maxPending: 10_000, maxPendingBytes: 10_000_000 },
    maxBodySize: 1_000_000,
    defaults: [],
    observe: () => {},
  });
  if (invoke)
    engine.register({
      label: 'the handler',
      source: { kind: 'topic', name: 'a' },
      options: {
        ordered: true,
        concurrency: 2,
        retry: { attempts: 5, backoff: { initial: 1_000, max: 1_000 } },
        kafka: { from: 'beginning' },
      },
      invoke,
    });
  after(() => engine.close());
  return engine;
}

onEachDriver('Ten joins and leaves under load, of `ordered` handlers with a backlog', (test) => {
  test('lose nothing, keep the order of each key, and never have two processes at one key', async (stage) => {
    const handled = new Map<string, number[]>();
    const busy = new Map<string, number>();
    const overlaps: string[] = [];
    /** By process. */
    const worked = new Map<string, number>();
    let count = 0;
    const join = async (name: string): Promise<Engine> => {
      const engine = application(stage, async (payload, context) => {
        const { key, attempt } = context as MessageContext & { key: string };
        const n = payload as number;
        if ((busy.get(key) ?? 0) > 0) overlaps.push(`${key} ${n} in ${name}`);
        busy.set(key, (busy.get(key) ?? 0) + 1);
        await wait(5 + Math.random() * 15);
        busy.set(key, busy.get(key)! - 1);
        if (n % 97 === 96 && attempt === 1) throw new Error('as the test wants it');
        const first = handled.get(key) ?? [];
        handled.set(key, first);
        if (first.includes(n)) return;
        first.push(n);
        count++;
        worked.set(name, (worked.get(name) ?? 0) + 1);
      });
      await engine.start();
      engine.open();
      return engine;
    };

    const publisher = application(stage);
    await publisher.start();
    publisher.open();
    let published = 0;
    let going = true;
    const publishing = (async () => {
      while (going) {
        if (published - count >= BACKLOG) await wait(5);
        else {
          const n = published / KEYS;
          await Promise.all(
            Array.from({ length: KEYS }, (_, at) => publisher.publish('topic', 'a', n, { key: `key ${at}` })),
          );
          published += KEYS;
        }
      }
    })();
    await until(() => published >= BACKLOG, 'the backlog');

    const members = [await join('1'), await join('2')];
    for (let turn = 0; turn < 10; turn++) {
      const before = count;
      const name = `${turn + 3}`;
      if (turn % 2 === 0) {
        members.push(await join(name));
        await until(() => (worked.get(name) ?? 0) > 20, 'it to have work, too');
      } else {
        const leaving = members.shift()!;
        await leaving.drain(10_000);
        await leaving.close();
      }
      await until(() => count > before + 100, 'work to go on');
    }
    going = false;
    await publishing;
    await until(
      () => count === published,
      () => `all ${published}, not ${count}`,
      60_000,
    );
    expect(overlaps).toEqual([]);
    const inOrder = Array.from({ length: published / KEYS }, (_, n) => n);
    for (const numbers of handled.values()) expect(numbers).toEqual(inOrder);
    for (const member of members) await member.drain(10_000);
  });
});
