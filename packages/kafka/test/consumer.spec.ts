import { describe, expect, it } from '@jest/globals';
import { systemClock } from '@nest-messaging/core/contract';
import { createConsumer, type Consumer, type ConsumerParts, type End } from '../src/consumer.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, Fetched, Partition, Position, StoredRecord } from '../src/driver/driver.js';
import type { Holder, Membership } from '../src/group/membership.js';
import { resume } from '../src/positions.js';
import { until } from './stage.js';

const topic = 't';
const partitions = (...numbers: number[]): Partition[] => numbers.map((partition) => ({ topic, partition }));

interface Play {
  readonly consumer: Consumer;
  readonly holder: Holder;
  /** Offsets as they were handed over. */
  readonly handed: number[];
  readonly committed: Position[][];
}

/** What the broker answers of a partition with so many records, a hundred at a time. */
function fetchedAt({ offset, topic: name, partition }: Position, count: number): Fetched {
  const size = Math.min(100, count - offset);
  const at = { topic: name, partition };
  const records = Array.from({ length: size }, (_, index) => record(at, offset + index));
  return { ...at, offset, records, next: offset + size, end: count };
}

const record = (at: Partition, offset: number): StoredRecord => ({
  ...at,
  offset,
  timestamp: 0,
  size: 10,
  key: null,
  value: Buffer.alloc(10),
  headers: [],
  texts: [],
  raw: undefined,
});

/** A consumer whose broker and group are the test; `commit` is what the group says to positions. */
function play(
  count: number,
  parts: Partial<ConsumerParts> = {},
  client: Partial<Client> = {},
  commit: Membership['commit'] = async (positions) => positions.map(() => undefined),
): Play {
  const handed: number[] = [];
  const committed: Position[][] = [];
  let holder!: Holder;
  const consumer = createConsumer({
    client: {
      leaders: async (topics: readonly string[]) => new Map(topics.map((name) => [name, [1, 1, 1]])),
      fetch: async (_node: number, positions: readonly Position[]) => {
        const answers = positions.map((position) => fetchedAt(position, count));
        const some = answers.some(({ records }) => records.length > 0);
        await new Promise((resolve) => setTimeout(resolve, some ? 0 : 20));
        return answers;
      },
      close: async () => {},
      ...client,
    } as unknown as Client,
    clock: systemClock,
    join: (given) => {
      holder = given;
      return {
        start: async () => {},
        problem: undefined,
        commit: async (positions) => {
          const outcomes = await commit(positions);
          committed.push(positions.filter((_, at) => outcomes[at] === undefined));
          return outcomes;
        },
        leave: async () => {},
      };
    },
    positions: async (some) => some.map((one) => ({ ...one, offset: 0 })),
    work:
      ({ offset }) =>
      async () => {
        handed.push(offset);
        return async () => 'done';
      },
    maxInHand: 10,
    onGap: () => {},
    onPassedOver: () => {},
    warn: () => {},
    ...parts,
  });
  return { consumer, holder, handed, committed };
}

describe('A consumer', () => {
  it('hands over again what was kept when a partition was to go, and need not go after all', async () => {
    const handed: number[] = [];
    let first!: (end: End) => void;
    const { consumer, holder } = play(3, {
      work:
        ({ offset }) =>
        async () => {
          handed.push(offset);
          const once = handed.filter((one) => one === offset).length === 1;
          return offset === 0 && once
            ? () => new Promise((resolve) => (first = resolve))
            : async () => 'done';
        },
    });
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => handed.length === 3, 'all');
    void holder.giveUp(partitions(0)[0]!);
    holder.assigned(partitions(0));
    // Decided while the partition was to go.
    first('kept');
    await until(() => handed.length === 4, 'the first one again', 2_000);
    expect(handed).toEqual([0, 1, 2, 0]);
    await consumer.stop();
  });

  /** Each attempt at the first `count` ends when the test says so; all others are done at once. */
  function inHands(count: number): {
    work: ConsumerParts['work'];
    began: string[];
    ends: Map<string, (end: End) => void>;
  } {
    const began: string[] = [];
    const ends = new Map<string, (end: End) => void>();
    const times = new Map<number, number>();
    return {
      began,
      ends,
      work:
        ({ offset }) =>
        async () => {
          const time = (times.get(offset) ?? 0) + 1;
          times.set(offset, time);
          const name = `${offset}/${time}`;
          began.push(name);
          return offset < count
            ? () => new Promise((resolve) => ends.set(name, resolve))
            : async () => 'done' as const;
        },
    };
  }

  it('hands over again what had been kept already, and goes on beyond what may be done behind it', async () => {
    const { work, began, ends } = inHands(2);
    const { consumer, holder, committed } = play(2_500, { work, maxInHand: 2 });
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => ends.size === 2, 'both');
    void holder.giveUp(partitions(0)[0]!);
    ends.get('0/1')!('kept');
    await until(() => began.length === 2, 'nothing new');
    holder.assigned(partitions(0));
    await until(() => ends.has('0/2'), 'the first one again', 2_000);
    expect(began).toEqual(['0/1', '1/1', '0/2']);
    ends.get('1/1')!('done');
    ends.get('0/2')!('done');
    await until(
      () => committed.at(-1)?.[0]?.offset === 2_500,
      () => `all, not ${began.length}`,
      5_000,
    );
    await consumer.stop();
  });

  it('hands over again what was kept before what is behind it, where order counts', async () => {
    const { work, began, ends } = inHands(3);
    const { consumer, holder } = play(5, { work, inOrder: true });
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => ends.size === 3, 'those in hand');
    await until(() => began.length === 5, 'the others');
    void holder.giveUp(partitions(0)[0]!);
    ends.get('1/1')!('kept');
    holder.assigned(partitions(0));
    // What runs still may be kept, too: then it must come before the second.
    await until(() => consumer.lag === 5, 'none of them done');
    expect(began).toHaveLength(5);
    ends.get('2/1')!('kept');
    ends.get('0/1')!('kept');
    await until(() => began.length === 8, 'all three again', 2_000);
    expect(began.slice(5)).toEqual(['0/2', '1/2', '2/2']);
    for (const name of ['0/2', '1/2', '2/2']) ends.get(name)!('done');
    await until(() => consumer.lag === 0, 'all to be done', 2_000);
    await consumer.stop();
  });

  it('gives up a partition anew that was to stay while something was still in hand', async () => {
    const { work, ends } = inHands(1);
    const { consumer, holder } = play(3, { work, inOrder: true });
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => ends.size === 1, 'the one in hand');
    const one = partitions(0)[0]!;
    await Promise.all([holder.giveUp(one), Promise.resolve().then(() => holder.assigned(partitions(0)))]);
    let gone = false;
    const going = holder.giveUp(one).then(() => (gone = true));
    await until(() => consumer.lag === 3, 'nothing to be done');
    expect(gone).toBe(false);
    ends.get('0/1')!('kept');
    await going;
    holder.lost([one]);
    await consumer.stop();
  });

  it('tells what it has in hand when a partition is to go, and when it is gone', async () => {
    let hold!: { readonly leaving: AbortSignal; readonly lost: AbortSignal };
    let end!: (how: End) => void;
    const { consumer, holder } = play(1, {
      work: (_, given) => {
        hold = given;
        return async () => () => new Promise((resolve) => (end = resolve));
      },
    });
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => end !== undefined, 'it');
    const told = (): boolean[] => [hold.leaving.aborted, hold.lost.aborted];
    expect(told()).toEqual([false, false]);
    void holder.giveUp(partitions(0)[0]!);
    expect(told()).toEqual([true, false]);
    holder.lost(partitions(0));
    expect(told()).toEqual([true, true]);
    end('kept');
    await consumer.stop();
  });

  it('keeps the position of a burst although nothing comes behind it', async () => {
    const letGo: (() => void)[] = [];
    const { consumer, holder, committed, handed } = play(600, { maxInHand: 1 }, {}, (positions) => {
      if (committed.length > 0) return Promise.resolve(positions.map(() => undefined));
      return new Promise((resolve) => letGo.push(() => resolve(positions.map(() => undefined))));
    });
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => letGo.length === 1, 'the first to be kept');
    await until(() => handed.length === 600, 'all');
    letGo[0]!();
    await until(
      () => committed.at(-1)?.[0]?.offset === 600,
      () => `the last, not ${JSON.stringify(committed)}`,
      2_000,
    );
    await consumer.stop();
  });

  it('goes on in all other partitions where the position of one is refused, and tells so once', async () => {
    const warnings: string[] = [];
    const refusal = new DriverError('TOPIC_AUTHORIZATION_FAILED', 'as the test wants it', {
      retryable: false,
    });
    const reached = new Map<number, number>();
    let refuses = true;
    const { consumer, holder } = play(
      2_500,
      {
        warn: (message) => warnings.push(message),
        work:
          ({ partition, offset }) =>
          async () => {
            reached.set(partition, offset + 1);
            return async () => 'done';
          },
      },
      {},
      async (positions) =>
        positions.map(({ partition }) => (refuses && partition === 1 ? refusal : undefined)),
    );
    await consumer.start();
    holder.assigned(partitions(0, 1, 2));
    await until(
      () => reached.get(0) === 2_500 && reached.get(2) === 2_500,
      () => `the others, not ${JSON.stringify([...reached])}`,
      5_000,
    );
    expect(reached.get(1)).toBe(1_000);
    expect(warnings).toEqual([expect.stringMatching(/refuses positions: .*: partition 1 of 't'$/)]);
    expect(consumer.problem).toMatch(/position of partition 1 of 't' is refused: as the test wants it/);
    refuses = false;
    await until(() => reached.get(1) === 2_500, 'the one that may go on', 5_000);
    await until(() => consumer.problem === undefined, 'it to work');
    await consumer.stop();
  });

  it('does not wait for positions that are refused when it stops', async () => {
    const refusal = new DriverError('TOPIC_AUTHORIZATION_FAILED', 'no', { retryable: false });
    const { consumer, holder } = play(10, {}, {}, async (positions) => positions.map(() => refusal));
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => consumer.problem !== undefined, 'the refusal');
    const start = performance.now();
    await consumer.stop();
    expect(performance.now() - start).toBeLessThan(2_000);
  });

  it('has no more bytes in hand than it may', async () => {
    const ends: ((end: End) => void)[] = [];
    const { consumer, holder } = play(20, {
      maxBytesInHand: 25,
      work: () => async () => () => new Promise((resolve) => ends.push(resolve)),
    });
    await consumer.start();
    holder.assigned(partitions(0));
    for (let done = 0; done < 20; done++) {
      await until(() => ends.length > 0, 'the next one', 2_000);
      expect(ends.length).toBeLessThanOrEqual(3);
      ends.shift()!('done');
    }
    await consumer.stop();
  });

  it('has no problem any more once all that it could not read has gone to others', async () => {
    const { consumer, holder } = play(
      1,
      {},
      {
        fetch: async () => {
          throw new DriverError('CONNECTION', 'as the test wants it', { retryable: true });
        },
      },
    );
    await consumer.start();
    holder.assigned(partitions(0));
    await until(() => consumer.problem !== undefined, 'the outage');
    holder.lost(partitions(0));
    await until(() => consumer.problem === undefined, 'it to be well', 5_000);
    await consumer.stop();
  });

  it('reads every partition where the answer to a fetch has room for the first one alone', async () => {
    const reached = new Map<number, number>();
    // As Kafka does with batches larger than their share: of what it is asked for, the first that has any.
    const { consumer, holder } = play(
      100_000,
      {
        maxInHand: 100,
        work:
          ({ partition, offset }) =>
          async () => {
            reached.set(partition, offset + 1);
            return async () => 'done';
          },
      },
      {
        fetch: async (_node, positions) => {
          await new Promise((resolve) => setImmediate(resolve));
          return positions.map((position, index) =>
            index === 0
              ? fetchedAt(position, 100_000)
              : { ...position, records: [], next: position.offset, end: 100_000 },
          );
        },
      },
    );
    await consumer.start();
    holder.assigned(partitions(0, 1, 2));
    try {
      await until(
        () => [0, 1, 2].every((partition) => (reached.get(partition) ?? 0) >= 1_000),
        () => `all of them, not ${JSON.stringify([...reached])}`,
        5_000,
      );
    } finally {
      await consumer.stop();
    }
  });

  it('reads what it can while one topic does not tell where it begins', async () => {
    const handed: string[] = [];
    const client: Partial<Client> = {
      committed: async () => [],
      offsets: async (name) => {
        if (name === 'away')
          throw new DriverError('LEADER_NOT_AVAILABLE', 'as the test wants it', { retryable: true });
        return [0];
      },
    };
    const { consumer, holder } = play(
      3,
      {
        positions: (some) =>
          resume({
            client: client as Client,
            group: 'g',
            partitions: some,
            onGap: () => {},
          }),
        work:
          ({ topic: name }) =>
          async () => {
            handed.push(name);
            return async () => 'done';
          },
      },
      client,
    );
    await consumer.start();
    holder.assigned([
      { topic: 'away', partition: 0 },
      { topic: 'here', partition: 0 },
    ]);
    await until(() => handed.length === 3, 'what is there', 2_000);
    expect(consumer.problem).toMatch(/as the test wants it/);
    await consumer.stop();
  });
});
