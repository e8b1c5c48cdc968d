/** What is measured. */
export const METRICS = {
  publish: { title: 'Publish', unit: 'msg/s', better: 'more' },
  publishCpu: { title: 'Publish, CPU', unit: 'µs/msg', better: 'less' },
  awaitedP50: { title: 'Awaited publish, p50', unit: 'ms', better: 'less' },
  awaitedP99: { title: 'Awaited publish, p99', unit: 'ms', better: 'less' },
  consume: { title: 'Consume', unit: 'msg/s', better: 'more' },
  consumeCpu: { title: 'Consume, CPU', unit: 'µs/msg', better: 'less' },
  endToEnd: { title: 'End to end', unit: 'msg/s', better: 'more' },
  endToEndCpu: { title: 'End to end, CPU', unit: 'µs/msg', better: 'less' },
  endToEndP50: { title: 'End to end at a fixed rate, p50', unit: 'ms', better: 'less' },
  endToEndP99: { title: 'End to end at a fixed rate, p99', unit: 'ms', better: 'less' },
  memoryAtRest: { title: 'Memory at rest', unit: 'MiB', better: 'less' },
  memoryWithBacklog: { title: 'Memory with a backlog', unit: 'MiB', better: 'less' },
} as const;

export type Metric = keyof typeof METRICS;
export type Figures = Partial<Record<Metric, number>>;
