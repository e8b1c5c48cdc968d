import assert from 'node:assert/strict';
import { disorder } from '../order.js';
import type { Row } from '../row.js';
import { WORK } from '../stage.js';

export const memberRows: readonly Row[] = [
  {
    number: 21,
    fault: 'members join and leave ten times under load, half of them killed',
    needs: ['network'],
    async run(stage) {
      const { site, ledger, until } = stage;
      const options = { concurrency: 20 };
      const handlers = [
        { topic: WORK, options },
        // Slow enough that the next of its key is there before it ends, whenever some have waited.
        { topic: 'line', ordered: true, ms: 30, options },
      ];
      const members = [await stage.start({ handlers }), await stage.start({ handlers })];
      const publisher = await stage.start({ handlers: [] });
      await publisher.begin({ name: 'any', topic: WORK, lanes: 4, pause: 40 });
      await publisher.begin({ name: 'line', topic: 'line', ordered: true, lanes: 4, pause: 40 });
      /** How many were handled of each key; of those without, under `undefined`. */
      const counts = (): Map<string | undefined, number> => {
        const found = new Map<string | undefined, number>();
        for (const { told, key } of ledger.runs)
          if (told === 'handled') found.set(key, (found.get(key) ?? 0) + 1);
        return found;
      };
      const eachGoesOn = async (): Promise<void> => {
        const before = counts();
        const waits = (): unknown[] => {
          const now = counts();
          return [undefined, 'k0', 'k1', 'k2', 'k3'].filter(
            (key) => (now.get(key) ?? 0) < (before.get(key) ?? 0) + 5,
          );
        };
        await until(
          () => waits().length === 0,
          () => `each key to go on, without ${waits().join(', ')}`,
        );
      };
      const killed = new Set<number>();
      for (let turn = 1; turn <= 10; turn++) {
        members.push(await stage.start({ handlers }));
        await eachGoesOn();
        const leaving = members.shift()!;
        const signal = turn % 2 === 0 ? 'SIGKILL' : 'SIGTERM';
        if (signal === 'SIGKILL') killed.add(leaving.pid);
        await leaving.stop(signal);
        await eachGoesOn();
      }
      for (const name of ['any', 'line']) assert.equal((await publisher.end(name)).pending, 0);
      assert.deepEqual([...ledger.rejected.keys()], []);
      await stage.balance(members[0]!);
      if (site.ordered) assert.deepEqual(disorder(ledger, killed), []);
      for (const member of members) await stage.health(member, true);
    },
  },
  {
    number: 38,
    fault: 'topics are created under a pattern, and partitions added, while running',
    needs: [],
    async run(stage) {
      const { site, namespace, ledger, until } = stage;
      const source = { topic: 'order.#' };
      const worker = await stage.start({ handlers: [source] });
      // Where messages end with their process, it publishes them itself.
      const publisher = site.durable ? await stage.start({ handlers: [] }) : worker;
      const topics = ['order.placed', 'order.line.added', 'order.closed'];
      const goesOn = (name: string): Promise<void> =>
        until(
          () => [...ledger.handled().keys()].filter((id) => id.startsWith(`${name}-`)).length >= 20,
          `${name} to be handled`,
          60_000,
        );
      for (const topic of topics) {
        await publisher.begin({ name: topic, topic, lanes: 2, pause: 10 });
        await goesOn(topic);
      }
      if (site.log) {
        const { log } = site;
        const subscription = { group: 'shop', source: { kind: 'topic', name: topics[0]! } } as const;
        const { topic } = log.names(namespace, subscription);
        const before = (await log.ends(topic)).length;
        await log.addPartitions(topic, before + 3);
        // Whoever publishes already may not know of them for minutes.
        const next = await stage.start({ handlers: [] });
        await next.publish({ name: 'added', topic: topics[0]!, count: 200, lanes: 10, keys: 50 });
        const ends = await log.ends(topic);
        assert.ok(
          ends.length === before + 3 && ends.every((end) => end > 0),
          `nothing went to the new partitions: ${ends.join()}`,
        );
        await goesOn('added');
      }
      for (const topic of topics) assert.equal((await publisher.end(topic)).pending, 0);
      await stage.balance(worker, source);
      await stage.health(worker, true);
    },
  },
];
