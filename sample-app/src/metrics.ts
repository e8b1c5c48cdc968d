import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';

/** Shows Prometheus what the module measures: http://127.0.0.1:<port>/metrics. Before Nest creates an application. */
export function showMetrics(port: number): void {
  const exporter = new PrometheusExporter({ port, host: '127.0.0.1' });
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [exporter] }));
}
