import { context, metrics, propagation, trace, type Attributes } from '@opentelemetry/api';
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  InMemorySpanExporter,
  NodeTracerProvider,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-node';

/** What the real SDK was told, of all that the test has done so far. */
export interface Recording {
  readonly spans: readonly ReadableSpan[];
  /** Spans of a name, oldest first. */
  named(name: string): readonly ReadableSpan[];
  /** Resolves with the first span that fits, once it has ended. */
  until(name: string, fits?: (span: ReadableSpan) => boolean): Promise<ReadableSpan>;
  /** The value of one metric at these attributes: a sum, or how many a histogram has counted. */
  value(metric: string, attributes: Attributes): Promise<number | undefined>;
  /** The sum of one metric over all that has these attributes. */
  total(metric: string, attributes: Attributes): Promise<number>;
  /** What a histogram has summed up at these attributes. */
  sum(metric: string, attributes: Attributes): Promise<number | undefined>;
  /** Every metric by name, with the attributes that it was told of. */
  metrics(): Promise<ReadonlyMap<string, readonly Attributes[]>>;
  reset(): void;
  /** Leaves nothing registered. */
  end(): Promise<void>;
}

interface Point {
  readonly attributes: Attributes;
  readonly value: number | { readonly count: number; readonly sum?: number };
}

/** Registers the real SDK with OpenTelemetry's API, as an application does, and keeps what it is told. */
export function record(): Recording {
  const spans = new InMemorySpanExporter();
  const provider = new NodeTracerProvider({ spanProcessors: [new SimpleSpanProcessor(spans)] });
  provider.register();
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  // Asked for by the test, never by itself.
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 });
  const meters = new MeterProvider({ readers: [reader] });
  metrics.setGlobalMeterProvider(meters);

  const collected = async (): Promise<Map<string, readonly Point[]>> => {
    measured.reset();
    await reader.forceFlush();
    const all = measured
      .getMetrics()
      .flatMap(({ scopeMetrics }) => scopeMetrics)
      .flatMap((scope) => scope.metrics);
    return new Map(all.map(({ descriptor, dataPoints }) => [descriptor.name, dataPoints as Point[]]));
  };
  const found = async (metric: string, attributes: Attributes): Promise<Point['value'][]> =>
    ((await collected()).get(metric) ?? [])
      .filter((one) => Object.entries(attributes).every(([name, value]) => one.attributes[name] === value))
      .map(({ value }) => value);
  const points = async (metric: string, attributes: Attributes): Promise<number[]> =>
    (await found(metric, attributes)).map((value) => (typeof value === 'object' ? value.count : value));
  const named = (name: string): ReadableSpan[] =>
    spans.getFinishedSpans().filter((span) => span.name === name);

  return {
    get spans() {
      return spans.getFinishedSpans();
    },
    named,
    async until(name, fits = () => true) {
      for (;;) {
        const found = named(name).find(fits);
        if (found) return found;
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
    },
    value: async (metric, attributes) => (await points(metric, attributes))[0],
    total: async (metric, attributes) =>
      (await points(metric, attributes)).reduce((sum, value) => sum + value, 0),
    async sum(metric, attributes) {
      const [value] = await found(metric, attributes);
      return typeof value === 'object' ? value.sum : undefined;
    },
    async metrics() {
      return new Map(
        [...(await collected())].map(([name, points]) => [name, points.map(({ attributes }) => attributes)]),
      );
    },
    reset: () => spans.reset(),
    async end() {
      await provider.shutdown();
      await meters.shutdown();
      trace.disable();
      context.disable();
      propagation.disable();
      metrics.disable();
    },
  };
}
