import assert from 'node:assert/strict';
import { concern, type Guarantee } from './guarantee.js';
import { acknowledge, behind, forever, gate, release, type Probe } from './probe.js';
import type { Application, Stage } from './stage.js';

const support: Guarantee['support'] = ({ ordered }) => ordered;

const keys = ['a', 'b', 'c'];

/** Publishes `count` messages in turn, keys taking turns; the text is the place in the order. */
async function publishInOrder(
  application: Application,
  topic: string,
  count: number,
  from = 0,
): Promise<void> {
  for (let i = from; i < from + count; i++)
    await application.publish(topic, { body: `${i}`, key: keys[i % keys.length], ordered: true });
}

function assertOrdered(seen: Probe['seen']): void {
  for (const key of keys) {
    const places = seen.filter(({ message }) => message.key === key).map(({ text }) => Number(text));
    const firsts = places.filter((place, i) => places.indexOf(place) === i);
    assert.deepEqual(
      firsts,
      [...firsts].sort((a, b) => a - b),
      `order of key ${key}`,
    );
  }
}

/** What several processes saw, in the order in which it was handed over. */
const together = (...probes: Probe[]): Probe['seen'] =>
  probes.flatMap(({ seen }) => seen).sort((a, b) => a.at - b.at);

export const order = concern('Order', (states) => {
  const ordered = (name: string, run: (stage: Stage) => Promise<void>): void =>
    states(name, run, { support, refusal: refuse });

  ordered(
    'Messages of a key are handed over in the order of their publishing',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic(), { ordered: true, maxUnsettled: 5 });
      await publishInOrder(application, topic(), 60);
      await until(() => probe.seen.length === 60, 'all of them');
      assertOrdered(probe.seen);
    },
  );

  ordered('Order holds among the processes of a group', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    // One at a time and in turn: whoever hands to both at once hands over out of order sooner or later.
    let last = Promise.resolve();
    const running = new Set<string>();
    const overlaps: string[] = [];
    const slowly = async ({ message }: { message: { key?: string } }) => {
      if (running.has(message.key!)) overlaps.push(message.key!);
      running.add(message.key!);
      last = last.then(() => new Promise((resolve) => setImmediate(resolve)));
      await last;
      running.delete(message.key!);
      return acknowledge;
    };
    const probes = [
      await one.subscribe(topic(), { ordered: true, maxUnsettled: 1 }, slowly),
      await two.subscribe(topic(), { ordered: true, maxUnsettled: 1 }, slowly),
    ];
    await publishInOrder(one, topic(), 60);
    await until(() => probes.reduce((sum, { seen }) => sum + seen.length, 0) === 60, 'all of them');
    assert.deepEqual(overlaps, [], 'two processes had messages of one key at a time');
    assertOrdered(together(...probes));
  });

  ordered('Order holds when a process goes and another takes over', async ({ open, topic, until }) => {
    const first = await open();
    let handled = 0;
    const before = await first.subscribe(topic(), { ordered: true, maxUnsettled: 6 }, (seen) =>
      handled++ < 10 ? acknowledge : forever(seen),
    );
    await publishInOrder(first, topic(), 30);
    // Of each key, since a broker may keep back the others of one that is in hand.
    const inHand = (): number => new Set(before.seen.slice(10).map(({ message }) => message.key)).size;
    await until(() => inHand() === keys.length, 'messages of each key in hand');
    await first.transport.close();
    const second = await open();
    const after = await second.subscribe(topic(), { ordered: true, maxUnsettled: 5 });
    await until(() => after.seen.length >= 20, 'the other twenty');
    assertOrdered(after.seen);
  });

  ordered('Messages that were released come back before later ones', async ({ open, topic, until }) => {
    const [one, two] = [await open(), await open()];
    const door = gate();
    const leaving = await one.subscribe(topic(), { ordered: true, maxUnsettled: 3 }, behind(door, release));
    await publishInOrder(one, topic(), 9);
    await until(() => leaving.unsettled === 3, 'three messages in hand');
    const stopped = leaving.consumer.stop();
    const staying = await two.subscribe(topic(), { ordered: true, maxUnsettled: 1 });
    door.open();
    await stopped;
    await until(() => staying.seen.length === 9, 'all nine in the other process');
    assertOrdered(staying.seen);
  });
});

export async function refuse({ serve, topic }: Stage): Promise<void> {
  const starting = serve([{ on: topic(), options: { ordered: true }, handle() {} }]);
  await assert.rejects(starting, { code: 'UNSUPPORTED' });
}
