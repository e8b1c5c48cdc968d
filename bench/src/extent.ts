import type { BrokerName } from './contestants/index.js';

/** How much is measured. */
export interface Extent {
  readonly rounds: number;
  /** Bytes. */
  readonly sizes: readonly number[];
  readonly publish: number;
  readonly awaited: number;
  readonly endToEnd: number;
  /** Messages at a fixed rate, and the rate in messages per second. */
  readonly paced: number;
  readonly rate: number;
  readonly backlog: number;
  /** Rounds, the first ones, in which memory is measured: a backlog takes long. */
  readonly memoryRounds: number;
  /** Milliseconds. A measurement that takes longer hangs. */
  readonly limit: number;
}

const SIZES = [200, 4_096];

const BROKER: Extent = {
  rounds: 5,
  sizes: SIZES,
  publish: 30_000,
  awaited: 2_000,
  endToEnd: 30_000,
  paced: 5_000,
  rate: 500,
  backlog: 100_000,
  memoryRounds: 5,
  limit: 600_000,
};

const EXTENTS: Record<BrokerName, Extent> = {
  memory: {
    rounds: 5,
    sizes: SIZES,
    publish: 100_000,
    awaited: 10_000,
    endToEnd: 100_000,
    paced: 10_000,
    rate: 1_000,
    backlog: 100_000,
    memoryRounds: 5,
    limit: 600_000,
  },
  rabbitmq: BROKER,
  kafka: BROKER,
  // What answers is an emulator, and takes hundreds a second, not thousands.
  aws: {
    rounds: 5,
    sizes: SIZES,
    publish: 5_000,
    awaited: 500,
    endToEnd: 5_000,
    paced: 1_000,
    rate: 100,
    backlog: 100_000,
    memoryRounds: 1,
    limit: 1_800_000,
  },
};

/** Shows that all of it works; its figures mean nothing. */
const QUICK: Extent = {
  rounds: 1,
  sizes: [200],
  publish: 500,
  awaited: 50,
  endToEnd: 500,
  paced: 100,
  rate: 100,
  backlog: 1_000,
  memoryRounds: 1,
  limit: 90_000,
};

export const extentOf = (broker: BrokerName, quick: boolean): Extent => (quick ? QUICK : EXTENTS[broker]);
