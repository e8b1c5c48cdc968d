import { describe, expect, it } from '@jest/globals';
import { systemClock } from '@nest-messaging/core/contract';
import { createConsumer, type Consumer, type ConsumerParts, type End } from '../src/consumer.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, Fetched, Partition, Position, StoredRecord } from '../src/driver/driver.js';
import type { Holder } from '../src/group/membership.js';
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

/** A consumer whose broker and group are the test. */
function play(count: number, parts: Partial<ConsumerParts> = {}, client: Partial<Client> = {}): Play {
  const handed: number[] = [];
  const committed: Position[][] = [];
  let holder!: Holder;
  const record = (at: Partition, offset: number): StoredRecord => ({
    ...at,
    offset,
    timestamp: 0,
    key: null,
    value: Buffer.alloc(10),
    headers: [],
    raw: undefined,
  });
  const fetched = ({ offset, topic: name, partition }: Position): Fetched => {
    const size = Math.min(100, count - offset);
    const at = { topic: name, partition };
    const records = Array.from({ length: size }, (_, index) => record(at, offset + index));
    return { ...at, records, next: offset + size, end: count };
  };
  const consumer = createConsumer({
    client: {
      leaders: async (topics: readonly string[]) => new Map(topics.map((name) => [name, [1, 1, 1]])),
      fetch: async (_node: number, positions: readonly Position[]) => {
        const answers = positions.map(fetched);
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
        commit: async (positions) => void committed.push([...positions]),
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
