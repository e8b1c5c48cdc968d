import { describe, expect, it } from '@jest/globals';
import { turns, virtualClock, type VirtualClock } from '../../testing/src/virtual-clock.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, Fetched, Position } from '../src/driver/driver.js';
import { createFetching, type Fetching } from '../src/fetching.js';

const lost = new DriverError('CONNECTION', 'as the test wants it', { retryable: true });
const at = (partition: number): Position => ({ topic: 't', partition, offset: 0 });

interface Play {
  readonly clock: VirtualClock;
  readonly fetching: Fetching;
  readonly broker: {
    wanted: Position[];
    /** By partition. */
    leading: number[];
    /** Those who do not answer. */
    away: number[];
    leaders: () => Error | undefined;
  };
}

/** Fetches of partitions in which nothing ever comes. */
function play(...leading: number[]): Play {
  const clock = virtualClock(0);
  const broker: Play['broker'] = {
    wanted: leading.map((_, partition) => at(partition)),
    leading,
    away: [],
    leaders: () => undefined,
  };
  const client = {
    async leaders() {
      const error = broker.leaders();
      if (error) throw error;
      return new Map([['t', broker.leading]]);
    },
    async fetch(node: number, positions: readonly Position[], { maxWait }: { maxWait: number }) {
      if (broker.away.includes(node)) throw lost;
      await new Promise<void>((resolve) => clock.schedule(resolve, maxWait));
      return positions.map((one): Fetched => ({ ...one, records: [], next: 0, end: 0 }));
    },
  } as unknown as Client;
  const fetching = createFetching({
    client,
    clock,
    wanted: () => broker.wanted,
    hurried: () => false,
    received: () => {},
  });
  return { clock, fetching, broker };
}

describe('Fetching', () => {
  it.each([
    ['the look for leaders', ({ broker }: Play) => (broker.leaders = () => lost)],
    ['a fetch', ({ broker }: Play) => (broker.away = [1])],
  ])('that has failed in %s works again once nothing is wanted any more', async (_, fail) => {
    const scene = play(1);
    const { clock, fetching, broker } = scene;
    fail(scene);
    fetching.wake();
    await clock.advance(5_000);
    expect(fetching.problem).toBe(lost.message);
    // Its session was over meanwhile, and others have what it had.
    broker.wanted = [];
    broker.leaders = () => undefined;
    broker.away = [];
    fetching.wake();
    await clock.advance(10_000);
    expect(fetching.problem).toBeUndefined();
    fetching.stop();
  });

  it('has a problem for as long as one of the nodes does not answer, whatever others do', async () => {
    const { clock, fetching, broker } = play(1, 2);
    broker.away = [2];
    fetching.wake();
    await turns();
    for (let second = 0; second < 10; second++) {
      await clock.advance(1_000);
      expect(fetching.problem).toBe(lost.message);
    }
    broker.away = [];
    await clock.advance(5_000);
    expect(fetching.problem).toBeUndefined();
    fetching.stop();
  });

  it('has no problem with a node that leads nothing more', async () => {
    const { clock, fetching, broker } = play(1, 2);
    broker.away = [2];
    fetching.wake();
    await clock.advance(3_000);
    broker.leading = [1, 1];
    await clock.advance(10_000);
    expect(fetching.problem).toBeUndefined();
    fetching.stop();
  });
});
