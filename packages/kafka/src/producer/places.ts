import { asDriverError, brokerError, type DriverError } from '../driver/driver-error.js';
import type { Client, NewRecord, Partition } from '../driver/driver.js';
import { gathered } from './gathered.js';
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

interface Question {
  readonly names: readonly string[];
  readonly answer: (failures: ReadonlyMap<string, DriverError>) => void;
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

  /** Asks for what is wanted by several at the same time in one request. */
  const ask = gathered<Question>(async (questions) => {
    const failures = await learnAll([...new Set(questions.flatMap(({ names }) => names))]);
    for (const { answer } of questions) answer(failures);
    return [];
  });

  /** Answers of which it learnt nothing, and why: perhaps of others than these, too. */
  const learn = (names: readonly string[]): Promise<ReadonlyMap<string, DriverError>> =>
    new Promise((answer) => ask({ names, answer }));

  async function learnAll(names: readonly string[]): Promise<Map<string, DriverError>> {
    let found: Map<string, number[]>;
    try {
      found = await client.leaders(names);
    } catch (thrown) {
      const error = asDriverError(thrown);
      // One topic that the broker may not tell of must not hide the others.
      if (!OF_ONE_TOPIC.has(error.code) || names.length === 1)
        return new Map(names.map((name) => [name, error]));
      const each = await Promise.all(names.map((name) => learnAll([name])));
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
      const next = performance.now() + PAUSE;
      missing = missing.filter((name) => {
        failures.delete(name);
        const failure = still.get(name);
        if (!failure) return false;
        failures.set(name, failure);
        const until = failure.code === 'UNKNOWN_TOPIC_OR_PARTITION' ? patience : deadline;
        return failure.retryable && next < until;
      });
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
