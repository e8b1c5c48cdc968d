import type { BrokerName } from './contestants/index.js';

/** How much is measured. */
export interface Extent {
  readonly rounds: number;
  /** Contestants measured at a time: one, unless the figures mean nothing. */
  readonly atATime: number;
  /** Bytes. */
  readonly sizes: readonly number[];
  /** Messages published, and then handled as a backlog. */
  readonly publish: number;
  readonly awaited: number;
  readonly endToEnd: number;
  /** Messages at a fixed rate, and the rate in messages per second. */
  readonly paced: number;
  readonly rate: number;
  /** Milliseconds. A measurement that takes longer hangs. */
  readonly limit: number;
  readonly scale: ScaleExtent;
}

/** What the cost of a message is measured beside. */
export interface ScaleExtent {
  readonly rounds: number;
  readonly messages: number;
  readonly subscriptions: readonly number[];
  readonly topics: readonly number[];
}

const SIZES = [200, 4_096];

const SUBSCRIPTIONS = [1, 10, 100, 1_000];
const TOPICS = [1, 1_000, 100_000];

// A service runs for days, and what runs for seconds shows what the compiler has not done yet: with 30,000 end to end, a
// message cost half as much again as with 100,000.
const BROKER: Extent = {
  rounds: 5,
  atATime: 1,
  sizes: SIZES,
  publish: 100_000,
  awaited: 1_500,
  endToEnd: 100_000,
  paced: 1_500,
  rate: 500,
  limit: 600_000,
  scale: { rounds: 3, messages: 20_000, subscriptions: SUBSCRIPTIONS, topics: TOPICS },
};

const EXTENTS: Record<BrokerName, Extent> = {
  memory: {
    rounds: 5,
    atATime: 1,
    sizes: SIZES,
    publish: 100_000,
    awaited: 10_000,
    endToEnd: 100_000,
    paced: 1_500,
    rate: 1_000,
    limit: 600_000,
    scale: { rounds: 3, messages: 50_000, subscriptions: SUBSCRIPTIONS, topics: TOPICS },
  },
  // As they come, some clients take 44 ms each with 4 KiB: a packet that waits for the acknowledgement of another.
  rabbitmq: { ...BROKER, awaited: 1_000 },
  // A topic is made of files there, and a subscription is a consumer group with connections of its own: nobody has as many
  // in one process.
  kafka: { ...BROKER, scale: { ...BROKER.scale, subscriptions: [1, 10, 100], topics: [1, 100] } },
  // What answers is an emulator, and some peers take 400 messages a second from it: more would take hours. A consumer is
  // given ten at a time, whatever waits.
  aws: {
    rounds: 5,
    atATime: 1,
    sizes: SIZES,
    publish: 10_000,
    awaited: 1_000,
    endToEnd: 6_000,
    paced: 600,
    rate: 100,
    limit: 600_000,
    scale: { rounds: 3, messages: 2_000, subscriptions: [1, 10, 100], topics: [1, 100] },
  },
};

/** Shows that all of it works; its figures mean nothing. */
const QUICK: Extent = {
  rounds: 1,
  atATime: 4,
  sizes: [200],
  publish: 500,
  awaited: 50,
  endToEnd: 500,
  paced: 100,
  rate: 100,
  limit: 90_000,
  scale: { rounds: 1, messages: 200, subscriptions: [1, 10], topics: [1, 10] },
};

export const extentOf = (broker: BrokerName, quick: boolean): Extent => (quick ? QUICK : EXTENTS[broker]);
