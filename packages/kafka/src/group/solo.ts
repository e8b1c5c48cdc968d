import { createBackoff, pause, type Clock } from '@nest-messaging/core/contract';
import { keyOf } from '../driver/by-topic.js';
import type { Client, Partition } from '../driver/driver.js';
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
  let known = new Map<string, Partition>();
  /** Not found at the last look. */
  let missing: ReadonlySet<string> = new Set();
  let unseen: readonly string[] = [];
  let problem: string | undefined;

  const look = async (): Promise<void> => {
    const wanted = await topics();
    const leaders = await client.leaders(wanted);
    if (ended.signal.aborted) return;
    const absent = wanted.filter((topic) => !leaders.has(topic));
    const twice = absent.find((topic) => unseen.includes(topic));
    problem = twice === undefined ? undefined : `topic '${twice}' does not exist`;
    unseen = absent;
    const found = new Map(
      [...leaders].flatMap(([topic, list]) =>
        list.map((_, at): [string, Partition] => {
          const partition = { topic, partition: at };
          return [keyOf(partition), partition];
        }),
      ),
    );
    const gone = [...known].filter(([key]) => !found.has(key));
    // A broker that has just come up may not know of all yet: deleted is what is missing twice.
    const lost = gone.filter(([key]) => missing.has(key));
    missing = new Set(gone.map(([key]) => key));
    for (const [key] of lost) known.delete(key);
    if (lost.length > 0) holder.lost(lost.map(([, partition]) => partition));
    if ([...found.keys()].every((key) => known.has(key))) return;
    known = new Map([...known, ...found]);
    holder.assigned([...known.values()]);
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
    get problem() {
      return problem;
    },
    async commit(positions) {
      return positions.map(() => undefined);
    },
    async leave() {
      ended.abort();
    },
  };
}
