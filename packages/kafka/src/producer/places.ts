import { asDriverError, brokerError, type DriverError } from '../driver/driver-error.js';
import type { Client, NewRecord, Partition } from '../driver/driver.js';
import { partitionOf } from './murmur2.js';
import { createSpread } from './spread.js';

/** In which partition records go, and who leads it. Deadlines are in the time of `performance.now()`. */
export interface Places {
  /** For each record its partition, or why there is none by the deadline. */
  place(records: readonly NewRecord[], deadline: number): Promise<(number | DriverError)[]>;
  /** Why nobody leads it, or who does. */
  leader(partition: Partition): number | DriverError;
  /** Asks anew who leads the partitions of these topics; what it cannot learn stays as it was. */
  refresh(topics: Iterable<string>): Promise<void>;
}

interface Topic {
  /** By partition; -1 is none. */
  readonly leaders: readonly number[];
  readonly until: number;
}

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;

/** What the answer says of one topic, though the question was for several. */
const OF_ONE_TOPIC: ReadonlySet<string> = new Set(['INVALID_TOPIC_EXCEPTION', 'TOPIC_AUTHORIZATION_FAILED']);

/** Milliseconds after which new partitions are noticed: as `metadata.max.age.ms` of the Java client. */
const MAX_AGE = 300_000;
/** Milliseconds that a topic is waited for: brokers hear of a new one a little after it was created. */
const PATIENCE = 1_000;
const PAUSE = 100;

/** @param pause rejects when all is closed */
export function createPlaces(
  client: Pick<Client, 'leaders'>,
  pause: (milliseconds: number) => Promise<void>,
): Places {
  const topics = new Map<string, Topic>();
  const spread = createSpread();

  /** Answers of which of these it learnt nothing, and why. */
  async function learn(names: readonly string[]): Promise<Map<string, DriverError>> {
    let found: Map<string, number[]>;
    try {
      found = await client.leaders(names);
    } catch (thrown) {
      const error = asDriverError(thrown);
      // One topic that the broker may not tell of must not hide the others.
      if (!OF_ONE_TOPIC.has(error.code) || names.length === 1)
        return new Map(names.map((name) => [name, error]));
      const each = await Promise.all(names.map((name) => learn([name])));
      return new Map(each.flatMap((failures) => [...failures]));
    }
    const failures = new Map<string, DriverError>();
    for (const name of names) {
      const leaders = found.get(name);
      if (leaders) {
        topics.set(name, { leaders, until: performance.now() + MAX_AGE });
      } else {
        topics.delete(name);
        failures.set(name, nowhere(`topic ${name}`));
      }
    }
    return failures;
  }

  /** Waits for brokers that cannot be reached, and a little for topics. */
  async function need(names: readonly string[], deadline: number): Promise<Map<string, DriverError>> {
    const patience = Math.min(deadline, performance.now() + PATIENCE);
    const failures = new Map<string, DriverError>();
    for (let missing = names; missing.length > 0;) {
      const still = await learn(missing);
      for (const name of missing) failures.delete(name);
      for (const [name, error] of still) failures.set(name, error);
      const next = performance.now() + PAUSE;
      missing = [...still]
        .filter(([, { code, retryable }]) => {
          const until = code === 'UNKNOWN_TOPIC_OR_PARTITION' ? patience : deadline;
          return retryable && next < until;
        })
        .map(([name]) => name);
      if (missing.length > 0) await pause(PAUSE);
    }
    return failures;
  }

  return {
    async place(records, deadline) {
      const now = performance.now();
      const wanted = new Set<string>();
      for (const { topic, partition = 0 } of records) {
        const known = topics.get(topic);
        if (!known || known.until < now || partition >= known.leaders.length) wanted.add(topic);
      }
      const failures = await need([...wanted], deadline);
      return records.map(({ topic, partition, key }) => {
        const leaders = topics.get(topic)?.leaders ?? [];
        if (leaders.length === 0) return failures.get(topic) ?? nowhere(`topic ${topic}`);
        if (partition !== undefined) {
          return partition < leaders.length ? partition : nowhere(`partition ${partition} of ${topic}`);
        }
        return key ? partitionOf(key, leaders.length) : (spread(topic, leaders) ?? 0);
      });
    },

    leader({ topic, partition }) {
      const leader = topics.get(topic)?.leaders[partition];
      if (leader === undefined) return nowhere(`partition ${partition} of ${topic}`);
      if (leader >= 0) return leader;
      return brokerError(
        LEADER_NOT_AVAILABLE,
        `Partition ${partition} of ${topic} has no leader at present.`,
      );
    },

    async refresh(names) {
      await learn([...names]);
    },
  };
}

const nowhere = (what: string): DriverError =>
  brokerError(UNKNOWN_TOPIC_OR_PARTITION, `There is no ${what}.`);
