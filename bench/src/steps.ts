import type { BrokerName } from './contestants/index.js';
import type { Extent } from './extent.js';
import type { Measurement } from './measurements/index.js';
import type { Metric } from './metrics.js';

export interface Step {
  readonly measurement: Measurement;
  /** Its place: steps of one place share their messages. */
  readonly place: string;
  /** The first message's id. */
  readonly from: number;
  readonly count: number;
  /** Figures that stand or fall with it. */
  readonly shows: readonly Metric[];
}

const step = (
  measurement: Measurement,
  place: string,
  count = 0,
  shows: readonly Metric[] = [],
  from = 0,
): Step => ({ measurement, place, count, shows, from });

/** Where messages are kept by a broker, they are counted by who consumes them; in memory, by who publishes them. */
export function steps(broker: BrokerName, extent: Extent, size: number): Step[] {
  const { publish, awaited } = extent;
  const inMemory = broker === 'memory';

  const apart: Step[] = inMemory
    ? [
        step('publish', 'published', publish, ['publish', 'publishCpu']),
        step('latency', 'awaited', awaited, ['awaitedP50', 'awaitedP99']),
      ]
    : [
        step('prepare', 'backlog'),
        step('publish', 'backlog', publish, ['publish', 'publishCpu']),
        step('latency', 'backlog', awaited, ['awaitedP50', 'awaitedP99'], publish),
        step('consume', 'backlog', publish + awaited, ['consume', 'consumeCpu', 'memoryWithBacklog']),
        step('prepare', 'through'),
      ];
  const together: Step[] = [
    step('endToEnd', 'through', extent.endToEnd, ['endToEnd', 'endToEndCpu']),
    step('paced', 'paced', extent.paced, ['endToEndP50', 'endToEndP99']),
  ];
  const alone: Step[] = [
    step('rest', 'rest', 0, ['memoryAtRest']),
    ...(inMemory ? [step('held', 'held', publish, ['memoryWithBacklog'])] : []),
  ];
  // What rests has no size; and a process that is its own broker would hold a gigabyte of large ones.
  return [...apart, ...together, ...(size === Math.min(...extent.sizes) ? alone : [])];
}
