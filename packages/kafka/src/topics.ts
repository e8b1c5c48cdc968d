import { TopologyError, type Topology } from '@nest-messaging/core/contract';
import { DriverError } from './driver/driver-error.js';
import type { Client, NewTopic } from './driver/driver.js';
import { hiddenTopics, missingTopic, topologyError } from './errors.js';

/** Sees to it that topics exist, each asked for once. */
export interface Topics {
  /**
   * Resolves once they exist: what is missing is created where the module may, in one request.
   * @throws {TopologyError} naming the topic that is missing or cannot be created
   * @throws {DriverError} that is `retryable`, if Kafka is not reached, or cannot create one just now
   */
  ensure(topics: readonly NewTopic[]): Promise<void>;
  /** Known to exist. */
  has(name: string): boolean;
  /** Someone deleted it. */
  forget(name: string): void;
}

/** Kafka builds names of metrics out of topics, in which both characters are one. */
const metric = (name: string): string => name.replaceAll('.', '_');

export function createTopics(client: Client, topology: Topology): Topics {
  const known = new Map<string, Promise<void>>();
  const ready = new Set<string>();
  /** By the name that may exist once. */
  const names = new Map<string, string>();

  const claim = (name: string): void => {
    const other = names.get(metric(name));
    if (other !== undefined && other !== name)
      throw new TopologyError(
        `topics '${name}' and '${other}' cannot coexist on Kafka, which takes '.' and '_' for one in names of metrics: rename one`,
      );
    names.set(metric(name), name);
  };

  const seen = async (names: readonly string[]): Promise<ReadonlyMap<string, unknown>> => {
    try {
      return await client.leaders(names);
    } catch (error) {
      throw error instanceof DriverError && error.retryable ? error : hiddenTopics(names, error);
    }
  };

  /** Answers why some are not there: none is refused for another. */
  const make = async (topics: readonly NewTopic[]): Promise<ReadonlyMap<string, Error>> => {
    const existing = await seen(topics.map(({ name }) => name));
    const missing = topics.filter(({ name }) => !existing.has(name));
    if (missing.length === 0) return new Map();
    if (topology !== 'create') return new Map(missing.map(({ name }) => [name, missingTopic(name)]));
    const outcomes = await client.createTopics(missing);
    return new Map(
      missing.flatMap(({ name }, at) => {
        const error = outcomes[at];
        // A controller that changes, or is slow, may create it the next time.
        return error ? [[name, error.retryable ? error : topologyError(name, error)] as const] : [];
      }),
    );
  };

  return {
    async ensure(topics) {
      const fresh = topics.filter(({ name }) => !known.has(name));
      for (const { name } of fresh) claim(name);
      if (fresh.length > 0) {
        const making = make(fresh);
        for (const { name } of fresh) {
          const one = making.then((refusals) => {
            const refusal = refusals.get(name);
            if (refusal) throw refusal;
            ready.add(name);
          });
          // Not asked for in vain: the next one tries again.
          one.catch(() => known.delete(name));
          known.set(name, one);
        }
      }
      for (const { name } of topics) await known.get(name);
    },
    has: (name) => ready.has(name),
    forget(name) {
      ready.delete(name);
      known.delete(name);
    },
  };
}
