import { describe, expect, it } from '@jest/globals';
import type { Partition } from '../../src/driver/driver.js';
import { keyOf } from '../../src/driver/by-topic.js';
import { assign, type Sharing } from '../../src/group/assign.js';
import type { Member } from '../../src/group/protocol.js';

const member = (topics: readonly string[], owned: readonly Partition[] = [], generation = 1): Member => ({
  topics,
  owned,
  generation,
});
const of = (topic: string, ...partitions: number[]): Partition[] =>
  partitions.map((partition) => ({ topic, partition }));
const keys = (partitions: readonly Partition[]): string[] => partitions.map(keyOf).sort();

/** The same numbers each time. */
function seeded(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state * 48_271) % 2_147_483_647;
    return Math.floor((state / 2_147_483_647) * below);
  };
}

describe('Partitions', () => {
  it('are shared evenly at first', () => {
    const members = new Map([
      ['a', member(['t'])],
      ['b', member(['t'])],
      ['c', member(['t'])],
    ]);
    const given = assign(members, new Map([['t', 8]]));
    expect([...given.values()].map(({ length }) => length).sort()).toEqual([2, 3, 3]);
  });

  it('are as even over all topics as those allow', () => {
    const members = new Map(['a', 'b', 'c'].map((id) => [id, member(['s', 't', 'u'])]));
    const given = assign(
      members,
      new Map([
        ['s', 1],
        ['t', 1],
        ['u', 1],
      ]),
    );
    expect([...given.values()].map(({ length }) => length)).toEqual([1, 1, 1]);
  });

  it('stay where they are while that is fair', () => {
    const members = new Map([
      ['a', member(['t'], of('t', 1, 3))],
      ['b', member(['t'], of('t', 0, 2))],
    ]);
    const given = assign(members, new Map([['t', 4]]));
    expect(keys(given.get('a')!)).toEqual(keys(of('t', 1, 3)));
    expect(keys(given.get('b')!)).toEqual(keys(of('t', 0, 2)));
  });

  it('that move go to nobody first, and to the other when they are given up', () => {
    const partitions = new Map([['t', 4]]);
    const first = assign(
      new Map([
        ['a', member(['t'], of('t', 0, 1, 2, 3))],
        ['b', member(['t'])],
      ]),
      partitions,
    );
    expect(first.get('a')).toHaveLength(2);
    expect(first.get('b')).toEqual([]);
    const second = assign(
      new Map([
        ['a', member(['t'], first.get('a'), 2)],
        ['b', member(['t'], [], 2)],
      ]),
      partitions,
    );
    expect(second.get('a')).toEqual(first.get('a'));
    expect(second.get('b')).toHaveLength(2);
  });

  it('that two claim belong to the one of the later generation', () => {
    for (const [older, newer] of [
      ['a', 'b'],
      ['b', 'a'],
    ] as const) {
      const given = assign(
        new Map([
          [older, member(['t'], of('t', 0, 1), 3)],
          [newer, member(['t'], of('t', 0, 1), 7)],
        ]),
        new Map([['t', 2]]),
      );
      // The older one has nothing to give up, and gets what the newer one gives up.
      expect(given.get(older)).toEqual([]);
      expect(given.get(newer)).toHaveLength(1);
    }
  });

  it('go only to members that want their topic', () => {
    const given = assign(
      new Map([
        ['old', member(['s'], of('s', 0, 1))],
        ['new', member(['s', 't'])],
      ]),
      new Map([
        ['s', 2],
        ['t', 3],
        ['u', 4],
      ]),
    );
    expect(keys(given.get('new')!).filter((key) => key.startsWith('t'))).toHaveLength(3);
    expect(keys(given.get('old')!)).toEqual(keys(of('s', 0)));
    expect([...given.values()].flat().some(({ topic }) => topic === 'u')).toBe(false);
  });

  it('of a topic that its owner no longer wants go to those who do, after it gave them up', () => {
    const partitions = new Map([['t', 2]]);
    const given = assign(
      new Map([
        ['old', member(['s'], of('t', 0, 1))],
        ['new', member(['t'])],
      ]),
      partitions,
    );
    expect([...given.values()].flat()).toEqual([]);
    expect(
      assign(
        new Map([
          ['old', member(['s'])],
          ['new', member(['t'])],
        ]),
        partitions,
      ).get('new'),
    ).toHaveLength(2);
  });

  it('that are settled stay with their owner, and free ones go to whoever has least', () => {
    const partitions = new Map([
      ['s', 2],
      ['t', 2],
    ]);
    const given = assign(
      new Map([
        ['a', member(['s', 't'], [...of('s', 0, 1), ...of('t', 0)])],
        ['b', member(['s', 't'])],
      ]),
      partitions,
      'settled',
    );
    expect(keys(given.get('a')!)).toEqual(keys([...of('s', 0, 1), ...of('t', 0)]));
    expect(keys(given.get('b')!)).toEqual(keys(of('t', 1)));
  });
});

/** What a member of a group holds, and what it was last given. */
interface Player {
  readonly topics: readonly string[];
  generation: number;
  /** What it reads or is still busy with. */
  held: Partition[];
}

const TOPICS = ['s', 't', 'u', 'v'];

/** A group through many rounds, in which members come, go, die, return with old claims, and are slow to give up. */
function play(seed: number, sharing: Sharing, steps: number) {
  const random = seeded(seed);
  const partitions = new Map(TOPICS.map((topic) => [topic, 1 + random(7)]));
  const players = new Map<string, Player>();
  let names = 0;
  let generation = 0;

  const join = (): void => {
    const topics = TOPICS.filter(() => random(3) > 0);
    players.set(`m${names++}`, { topics, generation: -1, held: [] });
  };

  const nobodyTwice = (): void => {
    const all = [...players.values()].flatMap(({ held }) => keys(held));
    expect(new Set(all).size).toBe(all.length);
  };

  /** Everybody joins; `slow` keep what they are to give up. Answers whether anything moved. */
  const round = (slow: (id: string) => boolean): boolean => {
    generation++;
    const given = assign(
      new Map([...players].map(([id, { topics, generation: at, held }]) => [id, member(topics, held, at)])),
      partitions,
      sharing,
    );
    let changed = false;
    for (const [id, player] of players) {
      const mine = given.get(id)!;
      const before = keys(player.held);
      // What is to be given up is held until it is finished; nothing new may be held by another meanwhile.
      const assigned = new Set(keys(mine));
      const busy = player.held.filter((partition) => !assigned.has(keyOf(partition)));
      player.held = [...mine, ...busy];
      player.generation = generation;
      nobodyTwice();
      if (!slow(id)) player.held = mine;
      changed ||= keys(player.held).join() !== before.join();
    }
    return changed;
  };

  const everythingHeld = (): void => {
    const held = new Set([...players.values()].flatMap((player) => keys(player.held)));
    for (const [topic, count] of partitions) {
      if (![...players.values()].some(({ topics }) => topics.includes(topic))) continue;
      for (let partition = 0; partition < count; partition++)
        expect(held).toContain(keyOf({ topic, partition }));
    }
  };

  const fair = (): void => {
    for (const [topic] of partitions) {
      const counts = [...players.values()]
        .filter(({ topics }) => topics.includes(topic))
        .map(({ held }) => held.filter((one) => one.topic === topic).length);
      if (counts.length > 0) expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1);
    }
  };

  for (let step = 0; step < steps; step++) {
    const event = players.size < 2 ? 0 : random(4);
    if (event === 0) join();
    else if (event === 1 && players.size > 1) players.delete([...players.keys()][random(players.size)]!);
    else if (event === 2) {
      const topic = TOPICS[random(TOPICS.length)]!;
      partitions.set(topic, partitions.get(topic)! + 1);
    }
    // Now and then the next one comes while some still finish what they had.
    if (random(3) === 0) round(() => random(2) === 0);
    round(() => false);
    round(() => false);
    everythingHeld();
    if (sharing === 'even') fair();
    // Nothing moves without a cause.
    expect(round(() => false)).toBe(false);
  }
}

describe.each(['even', 'settled'] as const)('A group that shares %s', (sharing) => {
  it.each([1, 2, 3, 4, 5, 6, 7, 8])(
    'has each partition with nobody twice, ever, and with somebody after the second round (seed %d)',
    (seed) => play(seed * 7_919, sharing, 60),
  );
});
