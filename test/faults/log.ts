import type { SubscriptionId } from '@nest-messaging/core/contract';
import type { BrokerConfig } from './application.js';

/** What can be done to a broker that is a log, by one who knows nothing of the module. */
export interface Log {
  /** Its topic and its consumer group of a subscription. */
  readonly names: (
    namespace: string,
    subscription: SubscriptionId,
  ) => { readonly topic: string; readonly group: string };
  readonly addPartitions: (topic: string, count: number) => Promise<void>;
  /** How many records each partition has had. */
  readonly ends: (topic: string) => Promise<number[]>;
  /** The ids of all messages that are kept. */
  readonly ids: (topic: string) => Promise<Set<string>>;
  /** Deletes all records but the last `left` of each partition, as retention does. */
  readonly shorten: (topic: string, left: number) => Promise<void>;
  /** Deletes the positions of a consumer group, as the end of their retention does. */
  readonly forget: (group: string) => Promise<void>;
  /** A way to it that can keep answers to produce requests to itself. */
  readonly trap: () => Promise<Trap>;
  /** Another broker, of two nodes. */
  readonly pair: () => Promise<Pair>;
}

export interface Trap {
  readonly broker: BrokerConfig;
  /** Resolves once the next answer to a produce request has been kept. */
  readonly swallow: () => Promise<void>;
  readonly close: () => Promise<void>;
}

/** Each topic is on both nodes. */
export interface Pair {
  readonly broker: BrokerConfig;
  /** A topic takes nothing from then on unless both nodes have it. */
  readonly wantsBoth: (topic: string) => Promise<void>;
  /** Of the second node. */
  readonly kill: () => Promise<void>;
  readonly restart: () => Promise<void>;
  readonly remove: () => Promise<void>;
}
