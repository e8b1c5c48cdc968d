import 'reflect-metadata';
import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { metrics } from '@opentelemetry/api';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { readFileSync } from 'node:fs';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  defineEvent,
  Discard,
  EventBus,
  memory,
  MessagingModule,
  OnEvent,
  type Broker,
} from '@nest-messaging/core';
import type { Environment } from '@nest-messaging/core/contract';
import { openTelemetry } from '@nest-messaging/opentelemetry';
import { freePorts } from '../../scripts/brokers/ports.mjs';

/** What the dashboard and the alerts ask for is what Prometheus gets. */

interface Panel {
  readonly title: string;
  readonly targets?: readonly { readonly expr: string; readonly legendFormat: string }[];
}

const read = (name: string): string =>
  readFileSync(new URL(`../../docs/telemetry/${name}`, import.meta.url), 'utf8');
const { panels } = JSON.parse(read('grafana-dashboard.json')) as { readonly panels: readonly Panel[] };
const alerts = [...read('alerts.yml').matchAll(/alert: (.*)\n\s+expr: (.*)/g)].map(([, name, expr]) => ({
  title: `alert ${name}`,
  expr: expr!,
}));
const queries = [
  ...panels.flatMap(({ title, targets = [] }) =>
    targets.map(({ expr, legendFormat }) => ({ title, expr, legendFormat })),
  ),
  ...alerts.map((alert) => ({ ...alert, legendFormat: '' })),
];

let begin!: () => void;
const busy = new Promise<void>((resolve) => (begin = resolve));
let release!: () => void;
const released = new Promise<void>((resolve) => (release = resolve));

@Injectable()
class Handlers {
  @OnEvent('order.*', { group: 'billing' })
  bill(): void {}

  @OnEvent('order.lost', { retry: { attempts: 2, backoff: { initial: 1, max: 1 } } })
  fail(): void {
    throw new TypeError('no luck');
  }

  @OnEvent('order.useless')
  discard(): void {
    throw new Discard('of no use');
  }

  @OnEvent('order.late', { concurrency: 1 })
  async late(): Promise<void> {
    begin();
    await released;
  }
}

const silent = (): void => undefined;

/** Names, and for each the labels that it has. */
let scraped: ReadonlyMap<string, ReadonlySet<string>>;
let text = '';
let end = async (): Promise<void> => undefined;

function parse(): Map<string, Set<string>> {
  const found = new Map<string, Set<string>>();
  for (const [, name, labels] of text.matchAll(/^([a-z_]+)\{(.*)\} /gm)) {
    const known = found.get(name!) ?? new Set();
    found.set(name!, known);
    for (const [, label] of labels!.matchAll(/([a-z_]+)="/g)) known.add(label!);
  }
  return found;
}

beforeAll(async () => {
  const [port] = (await freePorts(1)) as [number];
  const exporter = new PrometheusExporter({ port, host: '127.0.0.1' });
  const provider = new MeterProvider({ readers: [exporter] });
  metrics.setGlobalMeterProvider(provider);
  let report!: Environment['report'];
  const inner = memory();
  const broker: Broker = {
    name: 'memory',
    open(environment) {
      report = environment.report;
      return inner.open(environment);
    },
  };
  const module = await Test.createTestingModule({
    imports: [
      MessagingModule.forRoot({
        service: 'shop',
        broker,
        telemetry: openTelemetry(),
        publish: { timeout: 50 },
      }),
    ],
    providers: [Handlers],
  })
    .setLogger({ log: silent, warn: silent, error: silent })
    .compile();
  await module.init();
  end = async () => {
    await module.close();
    await provider.shutdown();
    metrics.disable();
  };
  const bus = module.get(EventBus);
  for (const topic of ['placed', 'lost', 'useless']) await bus.publish(`order.${topic}`, {});
  // The second one waits behind the first until nobody wants it any more.
  await bus.publish('order.late', {});
  await busy;
  await bus.publish('order.late', {}, { expiresIn: 1 });
  const stuck = defineEvent('order.stuck', {
    schema: {
      '~standard': { version: 1, vendor: 'test', validate: () => new Promise<{ value: unknown }>(() => {}) },
    },
  });
  await bus.publish(stuck, {}).catch(() => undefined);
  // What memory has no way to.
  report({ type: 'disconnected', from: 'there' });
  report({ type: 'gap', message: 'records 1 to 3' });
  report({
    type: 'settlement-failed',
    settlement: 'retry',
    subscription: 's',
    group: 'g',
    messageId: 'm',
    destination: { kind: 'topic', name: 't' },
    attempt: 1,
    error: new Error('cut'),
  });
  // The refused one has waited longer than that.
  release();
  const ends = ['expired', 'discarded', 'dead_lettered'].map(
    (end) => `nest_messaging_${end}_messages_total{`,
  );
  while (!ends.every((end) => text.includes(end)))
    text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  scraped = parse();
});
afterAll(() => end());

describe('what Prometheus gets', () => {
  it.each(queries)('has all that “$title” asks for: $expr', ({ expr, legendFormat }) => {
    const names = [...expr.matchAll(/\b(?:nest_)?messaging_[a-z_]+(?=[[{)])/g)].map(([name]) => name);
    const asked = names.filter((name) => scraped.has(name));
    expect(asked.length).toBeGreaterThan(0);
    // Of any metric: which of the two a handler has, topic or pattern, is its own affair.
    const labels = new Set([...scraped.values()].flatMap((some) => [...some]));
    const wanted = [
      ...[...expr.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list]) => list!.split(', ')),
      ...[...expr.matchAll(/([a-z_]+)!?=/g)].map(([, label]) => label!),
      ...[...legendFormat.matchAll(/\{\{(\w+)\}\}/g)].map(([, label]) => label!),
    ];
    expect(names.filter((name) => !scraped.has(name) && !wanted.includes(name))).toEqual([]);
    expect(wanted.filter((label) => !labels.has(label))).toEqual([]);
  });

  it.each(alerts.filter(({ expr }) => expr.includes('increase(')))(
    'is seen by “$title” from its first sample on, which is no increase to Prometheus',
    ({ expr }) => {
      const [, name] = /increase\((\w+)\[10m\]\)/.exec(expr)!;
      expect(expr).toContain(`(${name} unless ${name} offset 10m) > 0`);
    },
  );

  it('is all that the documentation says there is', () => {
    const documented = [...read('../telemetry.md').matchAll(/^\| `((?:nest_)?messaging\.[a-z_.]+)`/gm)].map(
      ([, name]) => name!,
    );
    const given = new Set([...scraped.keys()].map((name) => name.replace(/_(bucket|sum|count|total)$/, '')));
    given.delete('target_info');
    expect(documented.map((name) => name.replaceAll('.', '_')).sort()).toEqual([...given].sort());
  });

  it('has no message’s id, and topics under a pattern by their pattern', () => {
    expect(text).not.toContain('messaging_message_id');
    expect(text).toMatch(/messaging_process_duration_count\{[^}]*messaging_destination_template="order\.\*"/);
  });
});
