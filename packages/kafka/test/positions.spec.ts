import { describe, expect, it } from '@jest/globals';
import type { Client } from '../src/driver/driver.js';
import { begin, resume } from '../src/positions.js';

/** A broker whose answers wait for each other: how many rounds it takes to be told all. */
function slowly(): { readonly client: Client; readonly rounds: () => number; readonly most: () => number } {
  let rounds = 0;
  let most = 0;
  let waiting: (() => void)[] = [];
  const answer = <T>(value: T): Promise<T> =>
    new Promise((resolve) => {
      if (waiting.length === 0)
        // All that can be asked meanwhile has been asked by then.
        setImmediate(() => {
          rounds++;
          most = Math.max(most, waiting.length);
          const all = waiting;
          waiting = [];
          for (const each of all) each();
        });
      waiting.push(() => resolve(value));
    });
  const client = {
    committed: () => answer([]),
    offsets: () => answer([0]),
    commit: (_: unknown, positions: readonly unknown[]) => answer(positions.map(() => undefined)),
  } as unknown as Client;
  return { client, rounds: () => rounds, most: () => most };
}

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `t${at}`);

describe('Positions', () => {
  it('of many topics are asked for at the same time, and not of all at once', async () => {
    const { client, rounds, most } = slowly();
    const partitions = names(100).map((topic) => ({ topic, partition: 0 }));
    expect(await resume({ client, group: 'g', partitions, onGap: () => {} })).toEqual(
      partitions.map((one) => ({ ...one, offset: 0 })),
    );
    expect(rounds()).toBeLessThanOrEqual(4);
    expect(most()).toBeLessThan(50);
  });

  it('to begin with are asked for at the same time', async () => {
    const { client, rounds } = slowly();
    const begun = await begin({ client, group: 'g', own: 'own', topics: names(20), from: 'now' });
    expect(begun).toEqual({ how: 'begun', noted: false });
    expect(rounds()).toBe(3);
  });
});
