import type { BrokerName } from './contestants/index.js';
import type { Extent } from './extent.js';
import type { Measurement } from './measurements/index.js';
import type { Metric } from './metrics.js';

export interface Step {
  readonly measurement: Measurement;
  /** Its place: steps of one place share their messages. */
  readonly place: string;
  readonly from?: number;
  readonly count: number;
  /** Figures that stand or fall with it. */
  readonly shows: readonly Metric[];
}

/** Where messages are kept by a broker, they are counted by who consumes them; in memory, by who publishes them. */
export function steps(broker: BrokerName, extent: Extent, size: number): Step[] {
  const { publish, awaited } = extent;
  const published: Step[] = [
    { measurement: 'publish', place: 'a', count: publish, shows: ['publish', 'publishCpu'] },
  ];
  const awaiting: Step = {
    measurement: 'latency',
    place: 'a',
    count: awaited,
    shows: ['awaitedP50', 'awaitedP99'],
  };
  const both: Step[] = [
    { measurement: 'endToEnd', place: 'b', count: extent.endToEnd, shows: ['endToEnd', 'endToEndCpu'] },
    { measurement: 'paced', place: 'c', count: extent.paced, shows: ['endToEndP50', 'endToEndP99'] },
  ];
  const resting: Step[] = [{ measurement: 'rest', place: 'd', count: 0, shows: ['memoryAtRest'] }];
  const least = Math.min(...extent.sizes);
  if (broker === 'memory')
    return [
      ...published,
      { ...awaiting, place: 'e' },
      ...both,
      ...(size > least
        ? []
        : [
            ...resting,
            { measurement: 'held', place: 'f', count: extent.backlog, shows: ['memoryWithBacklog'] } as const,
          ]),
    ];
  const prepare = (place: string): Step => ({ measurement: 'prepare', place, count: 0, shows: [] });
  return [
    prepare('a'),
    ...published,
    { ...awaiting, from: publish },
    {
      measurement: 'consume',
      place: 'a',
      count: publish + awaited,
      shows: ['consume', 'consumeCpu'],
    },
    prepare('b'),
    ...both,
    ...(size > least
      ? []
      : [
          ...resting,
          prepare('f'),
          { measurement: 'publish', place: 'f', count: extent.backlog, shows: [] } as const,
          {
            measurement: 'consume',
            place: 'f',
            count: extent.backlog,
            shows: ['memoryWithBacklog'],
          } as const,
        ]),
  ];
}
