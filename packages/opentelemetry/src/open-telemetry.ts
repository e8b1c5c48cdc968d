import { context } from '@opentelemetry/api';
import { reportOnlooker, type Instruments, type Telemetry } from '@nest-messaging/core/engine';
import { failingOf, type Failing } from './conventions.js';
import { metricsOf, type Measured } from './metrics.js';
import { tracesOf, type Underway } from './traces.js';

/** Ends both the same, so that a duration is the span's and the metric's. */
function ending(span: Underway, measured: Measured): (failing?: Failing) => void {
  const began = performance.now();
  return (failing) => {
    const seconds = (performance.now() - began) / 1_000;
    try {
      span.end(failing);
    } finally {
      // What is in flight would be so for ever.
      measured(seconds, failing);
    }
  };
}

/** Ends with the promise, whatever it was rejected with. */
function endWith(promise: Promise<unknown>, end: (failing?: Failing) => void): void {
  promise
    .then(
      () => end(),
      (error: unknown) => end(failingOf(error)),
    )
    // A span's processors run as it ends, and are the application's; unhandled, what one throws would end the process.
    .catch(reportOnlooker);
}

/**
 * Traces and measures the module's messaging, for `MessagingModule.forRoot({ telemetry: openTelemetry() })`: through
 * whatever tracer, meter, context manager and propagator the application has registered with `@opentelemetry/api`, which it
 * does before Nest creates it. Without any, nothing is recorded.
 *
 * Spans `publish`, `process` and one for each settlement, by the conventions for messaging; a message carries its trace and
 * baggage in headers of its own, and its handler goes on with both. Metrics by the same conventions, and the module's own.
 */
export function openTelemetry(): Telemetry {
  return (connection): Instruments => {
    const traces = tracesOf(connection);
    const metrics = metricsOf(connection);
    return {
      publish(message, send) {
        const span = traces.publish(message);
        const end = ending(span, metrics.publish(message));
        endWith(
          context.with(span.context, () => send(span.message)),
          end,
        );
      },
      process(run, handle) {
        const span = traces.process(run);
        const end = ending(span, metrics.process(run));
        endWith(context.with(span.context, handle), end);
      },
      settle(handed, settlement) {
        const end = ending(traces.settle(handed, settlement), metrics.settle(handed, settlement));
        return (error) => end(error === undefined ? undefined : failingOf(error));
      },
      observe: metrics.observe,
    };
  };
}
