import { afterAll, expect, it } from '@jest/globals';
import { SpanKind } from '@opentelemetry/api';
import { spawn, type ChildProcess } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { awsOptions, removeNamespace as removeFromAws } from '../support/aws.js';
import { describeHere } from '../support/describe-here.js';
import { kafkaBrokers, kafkaDrivers, removeNamespace as removeFromKafka } from '../support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../support/rabbitmq.js';

/** A request to one process, a handler in another, and one in the first again: one trace, whatever the broker. */

const program = fileURLToPath(new URL('./service.mjs', import.meta.url));

interface Tried {
  readonly name: string;
  readonly missing?: string | undefined;
  readonly system: { readonly publish: string; readonly process: string };
  env(): Record<string, string>;
  removeAll(namespace: string): Promise<void>;
}

const one = (system: string): Tried['system'] => ({ publish: system, process: system });

const brokers: readonly Tried[] = [
  {
    name: 'RabbitMQ',
    system: one('rabbitmq'),
    env: () => ({ BROKER: 'rabbitmq', BROKER_OPTIONS: JSON.stringify({ url: rabbitmqUrl() }) }),
    removeAll: (namespace) =>
      removeFromRabbitmq(namespace, {
        services: ['web', 'billing'],
        subscriptions: ['billing.order.placed', 'web.order.billed'],
      }),
  },
  ...kafkaDrivers.map(({ name: driver, missing }): Tried => ({
    name: `Kafka with ${driver}`,
    missing,
    system: one('kafka'),
    env: () => ({
      BROKER: 'kafka',
      BROKER_OPTIONS: JSON.stringify({ brokers: kafkaBrokers().split(','), driver, partitions: 1 }),
    }),
    removeAll: removeFromKafka,
  })),
  {
    name: 'AWS',
    system: { publish: 'aws.sns', process: 'aws_sqs' },
    env: () => ({ BROKER: 'aws', BROKER_OPTIONS: JSON.stringify(awsOptions()) }),
    removeAll: removeFromAws,
  },
];

interface Span {
  readonly told: 'span';
  readonly service: string;
  readonly name: string;
  readonly kind: SpanKind;
  readonly attributes: Readonly<Record<string, unknown>>;
  readonly traceId: string;
  readonly spanId: string;
  readonly parent?: string;
  readonly links: readonly string[];
}

type Told =
  | { readonly told: 'ready'; readonly url: string }
  | {
      readonly told: 'handled';
      readonly by: string;
      readonly baggage?: string;
      readonly headers: Record<string, string>;
    }
  | Span;

function spansProcesses({ env, system, removeAll }: Tried): void {
  const namespace = `trace-${randomBytes(4).toString('hex')}`;
  const children: ChildProcess[] = [];
  const told: Told[] = [];
  const looking = new Set<() => void>();

  afterAll(async () => {
    for (const child of children) child.kill('SIGKILL');
    await removeAll(namespace);
  }, 60_000);

  /** Resolves with the first that fits, said already or later. */
  const until = <Found extends Told>(fits: (one: Told) => one is Found): Promise<Found> =>
    new Promise((resolve) => {
      const look = (): void => {
        const found = told.find(fits);
        if (!found) return;
        looking.delete(look);
        resolve(found);
      };
      looking.add(look);
      look();
    });
  const span = (service: string, name: string, attempt?: number): Promise<Span> =>
    until(
      (each): each is Span =>
        each.told === 'span' &&
        each.service === service &&
        each.name === name &&
        (attempt === undefined || each.attributes['nest_messaging.attempt'] === attempt),
    );

  async function run(service: string): Promise<string> {
    const child = spawn(process.execPath, [program], {
      env: { ...process.env, NODE_OPTIONS: '', NAMESPACE: namespace, SERVICE: service, ...env() },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    children.push(child);
    return new Promise((resolve) => {
      createInterface({ input: child.stdout }).on('line', (line) => {
        const what = JSON.parse(line) as Told;
        if (what.told === 'ready') resolve(what.url);
        told.push(what);
        looking.forEach((look) => look());
      });
    });
  }

  it('from the request to the last handler, with its baggage, and with each attempt', async () => {
    const [url] = await Promise.all([run('web'), run('billing')]);
    const traceId = randomBytes(16).toString('hex');
    const headers = {
      traceparent: `00-${traceId}-${randomBytes(8).toString('hex')}-01`,
      baggage: 'tenant=blue',
    };
    const { status } = await fetch(url, { method: 'POST', headers });
    expect(status).toBe(200);

    const request = await span('web', 'POST /orders');
    const placed = await span('web', 'publish order.placed');
    const failed = await span('billing', 'process order.placed', 1);
    const retried = await span('billing', 'retry order.placed');
    const billing = await span('billing', 'process order.placed', 2);
    const billed = await span('billing', 'publish order.billed');
    const confirmed = await span('web', 'process order.billed');
    const settled = await span('web', 'acknowledge order.billed');

    const all = [request, placed, failed, retried, billing, billed, confirmed, settled];
    expect(new Set(all.map((each) => each.traceId))).toEqual(new Set([traceId]));
    expect(all.map(({ kind }) => kind)).toEqual([
      SpanKind.SERVER,
      SpanKind.PRODUCER,
      SpanKind.CONSUMER,
      SpanKind.CLIENT,
      SpanKind.CONSUMER,
      SpanKind.PRODUCER,
      SpanKind.CONSUMER,
      SpanKind.CLIENT,
    ]);
    const parents = [request, placed, failed, placed, billing, billed, confirmed].map(({ spanId }) => spanId);
    expect(
      [placed, failed, retried, billing, billed, confirmed, settled].map(({ parent }) => parent),
    ).toEqual(parents);
    expect(billing.links).toEqual([placed.spanId]);
    expect(placed.attributes['messaging.system']).toBe(system.publish);
    expect(billing.attributes['messaging.system']).toBe(system.process);
    expect(failed.attributes['error.type']).toBe('TypeError');

    const last = await until(
      (each): each is Extract<Told, { told: 'handled' }> => each.told === 'handled' && each.by === 'web',
    );
    expect(last.baggage).toBe('blue');
    // As many headers of the application's own as no broker has attributes for: all are there, and the trace beside them.
    const first = await until(
      (each): each is Extract<Told, { told: 'handled' }> => each.told === 'handled' && each.by === 'billing',
    );
    expect(Object.keys(first.headers).filter((name) => name.startsWith('own-'))).toHaveLength(10);
    expect(first.headers).toMatchObject({
      traceparent: `00-${traceId}-${placed.spanId}-01`,
      baggage: 'tenant=blue',
    });
  }, 60_000);
}

for (const tried of brokers)
  describeHere(`a trace over two processes, on ${tried.name}`, tried.missing, () => spansProcesses(tried));
