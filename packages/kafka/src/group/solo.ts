import type { Clock } from '@nest-messaging/core/contract';
import { createBackoff, pause } from '../backoff.js';
import type { Client, Partition } from '../driver/driver.js';
import { keyOf } from './assign.js';
import type { Holder, Membership } from './membership.js';

export interface SoloParts {
  readonly client: Client;
  readonly holder: Holder;
  readonly topics: () => Promise<readonly string[]>;
  /** Milliseconds. */
  readonly discovery: number;
  readonly clock: Clock;
}

/** A process that reads everything by itself, and whose positions end with it: no group is needed for that. */
export function createSolo({ client, holder, topics, discovery, clock }: SoloParts): Membership {
  const ended = new AbortController();
  let known = '';

  const look = async (): Promise<void> => {
    const leaders = await client.leaders(await topics());
    const all: Partition[] = [...leaders].flatMap(([topic, list]) =>
      list.map((_, partition) => ({ topic, partition })),
    );
    const keys = all
      .map(({ topic, partition }) => keyOf(topic, partition))
      .sort()
      .join();
    if (keys === known || ended.signal.aborted) return;
    known = keys;
    holder.assigned(all);
  };

  const watch = async (): Promise<void> => {
    for (;;) {
      await pause(clock, discovery, ended.signal);
      if (ended.signal.aborted) return;
      // Not reached: health tells, and the next time is soon.
      await look().catch(() => undefined);
    }
  };

  return {
    async start() {
      const backoff = createBackoff(clock);
      for (;;) {
        try {
          await look();
          break;
        } catch (error) {
          if (ended.signal.aborted) throw error;
          await backoff.wait(ended.signal);
        }
      }
      void watch();
    },
    problem: undefined,
    async commit() {},
    async leave() {
      ended.abort();
    },
  };
}
