import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Controller, Get, Injectable, type INestApplication, type OnModuleInit } from '@nestjs/common';
import { HealthCheck, HealthCheckService, TerminusModule, type HealthCheckResult } from '@nestjs/terminus';
import { Test } from '@nestjs/testing';
import { randomBytes } from 'node:crypto';
import { DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import {
  DeadLetters,
  EventBus,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OnQueue,
  Subscriptions,
  type Broker,
} from '@nest-messaging/core';
import { MessagingHealthIndicator } from '@nest-messaging/core/terminus';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';
import { connect } from 'amqplib';
import { circuitBreaker, ConsecutiveBreaker, handleAll } from 'cockatiel';
import { topicName } from '../../packages/kafka/src/topology.js';
import { awsOptions, plainAws, removeNamespace as removeFromAws } from '../support/aws.js';
import { describeHere } from '../support/describe-here.js';
import {
  administrate,
  kafkaBrokers,
  kafkaDrivers,
  removeNamespace as removeFromKafka,
} from '../support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../support/rabbitmq.js';

/** What whoever operates an application sees of it: probes over HTTP, and a circuit that opens and closes. */

@Controller('health')
class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly messaging: MessagingHealthIndicator,
  ) {}

  @Get('ready')
  @HealthCheck()
  ready(): Promise<HealthCheckResult> {
    return this.health.check([() => this.messaging.readiness()]);
  }

  @Get('live')
  @HealthCheck()
  live(): Promise<HealthCheckResult> {
    return this.health.check([() => this.messaging.liveness()]);
  }
}

@Injectable()
class Prints {
  @OnQueue('prints')
  print(): void {}
}

/** What charges depend on. */
const payments = {
  down: false,
  async charge(): Promise<void> {
    if (payments.down) throw new Error('503');
  },
};

@Injectable()
class Charges implements OnModuleInit {
  static readonly charged = new Set<unknown>();
  readonly #breaker = circuitBreaker(handleAll, { halfOpenAfter: 300, breaker: new ConsecutiveBreaker(3) });

  constructor(private readonly subscriptions: Subscriptions) {}

  onModuleInit(): void {
    this.subscriptions.pauseWhileOpen({ topic: 'order.placed' }, this.#breaker, {
      probe: () => payments.charge(),
      every: '100ms',
    });
  }

  @OnEvent('order.placed', { concurrency: 4, retry: { attempts: 3, backoff: { initial: 1, max: 1 } } })
  async charge(order: unknown): Promise<void> {
    await this.#breaker.execute(() => payments.charge());
    Charges.charged.add(order);
  }
}

interface Tried {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing?: string | undefined;
  broker(): string | Broker;
  /** Deletes what the worker of queue `prints` takes from. */
  kill(namespace: string): Promise<unknown>;
  removeAll(namespace: string): Promise<void>;
}

const brokers: readonly Tried[] = [
  {
    name: 'RabbitMQ',
    broker: rabbitmqUrl,
    async kill(namespace) {
      const connection = await connect(rabbitmqUrl());
      await (await connection.createChannel()).deleteQueue(`${namespace}.prints`);
      await connection.close();
    },
    removeAll: (namespace) =>
      removeFromRabbitmq(namespace, { services: ['shop'], subscriptions: ['prints', 'shop.order.placed'] }),
  },
  ...kafkaDrivers.map(({ name: driver, missing }) => ({
    name: `Kafka with ${driver}`,
    missing,
    broker: () => kafka({ brokers: kafkaBrokers().split(','), driver, discovery: '200ms', partitions: 2 }),
    kill: (namespace: string) =>
      administrate((admin) =>
        admin.deleteTopics({ topics: [topicName({ namespace }, { kind: 'queue', name: 'prints' })] }),
      ),
    removeAll: removeFromKafka,
  })),
  {
    name: 'AWS',
    broker: () => aws({ ...awsOptions(), discovery: '200ms' }),
    kill: (namespace) =>
      plainAws(async (_, sqs) => {
        const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: `${namespace}_prints` }));
        await sqs.send(new DeleteQueueCommand({ QueueUrl }));
      }),
    removeAll: removeFromAws,
  },
];

async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 20));
}

function isOperated({ broker, kill, removeAll }: Tried): void {
  const namespace = `op${randomBytes(4).toString('hex')}`;
  let app: INestApplication;

  const startUp = async (options: Partial<Parameters<typeof MessagingModule.forRoot>[0]> = {}) => {
    const module = await Test.createTestingModule({
      imports: [
        MessagingModule.forRoot({ service: 'shop', namespace, broker: broker(), ...options }),
        TerminusModule.forRoot({ logger: false }),
      ],
      controllers: [HealthController],
      providers: [Prints, Charges, MessagingHealthIndicator],
    })
      .setLogger({ log: () => undefined, warn: () => undefined, error: () => undefined })
      .compile();
    const started = module.createNestApplication();
    await started.listen(0, '127.0.0.1');
    return started;
  };

  const ask = async (probe: 'ready' | 'live') => {
    const response = await fetch(`${await app.getUrl()}/health/${probe}`);
    return { status: response.status, body: await response.text() };
  };

  beforeAll(async () => {
    await (await startUp()).close();
    // One that makes nothing anew by itself.
    app = await startUp({ topology: 'validate' });
  }, 60_000);
  afterAll(async () => {
    await app?.close();
    await removeAll(namespace);
  }, 60_000);

  it('a killed consumer turns readiness red, leaves liveness green, and is named', async () => {
    expect((await ask('ready')).status).toBe(200);
    await kill(namespace);
    await until(async () => (await ask('ready')).status === 503);
    const { body } = await ask('ready');
    expect(body).toContain("queue 'prints'");
    expect(body).toMatch(/"reason":"[^"]*prints/);
    expect((await ask('live')).status).toBe(200);
    // Another process of the service makes it anew.
    const other = await startUp();
    await until(async () => (await ask('ready')).status === 200);
    await other.close();
  });

  it('while a circuit is open its messages wait, none is set aside, and all are handled when it closes', async () => {
    const health = app.get(MessagingHealth);
    payments.down = true;
    const orders = Array.from({ length: 20 }, (_, n) => `${namespace} ${n}`);
    for (const order of orders) await app.get(EventBus).publish('order.placed', order);
    await until(() =>
      app
        .get(Subscriptions)
        .list()
        .some(({ state }) => state === 'paused'),
    );
    expect(await health.check()).toMatchObject({ ready: true });
    expect([...Charges.charged].filter((order) => String(order).startsWith(namespace))).toEqual([]);
    payments.down = false;
    await until(() => orders.every((order) => Charges.charged.has(order)));
    expect((await app.get(DeadLetters).list({ topic: 'order.placed' })).letters).toEqual([]);
  });
}

for (const tried of brokers) describeHere(`on ${tried.name}`, tried.missing, () => isOperated(tried));
