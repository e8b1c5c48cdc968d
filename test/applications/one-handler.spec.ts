import 'reflect-metadata';
import { afterAll, afterEach, beforeAll, expect, it } from '@jest/globals';
import {
  Controller,
  ForbiddenException,
  Injectable,
  UseGuards,
  type CanActivate,
  type ExecutionContext,
  type INestApplicationContext,
} from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { randomBytes } from 'node:crypto';
import {
  DeadLetter,
  DeadLetters,
  defineEvent,
  EventBus,
  memory,
  MessageContext,
  MessagingModule,
  OnEvent,
  OnQueue,
  type Broker,
  type ShownDeadLetter,
  type SubscriptionSource,
} from '@nest-messaging/core';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';
import { z } from 'zod';
import { awsOptions, removeNamespace as removeFromAws } from '../support/aws.js';
import { describeHere } from '../support/describe-here.js';
import { kafkaBrokers, kafkaDrivers, removeNamespace as removeFromKafka } from '../support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../support/rabbitmq.js';

/** The promise in one place: the same classes, unchanged, do the same on every broker. */

const OrderPlaced = defineEvent('order.placed', {
  schema: z.object({ id: z.string(), total: z.coerce.number() }),
  key: (order) => order.id,
});
const Step = defineEvent('step.taken', {
  schema: z.object({ key: z.string(), n: z.number() }),
  key: (step) => step.key,
  ordered: true,
});

const seen: { who: string; payload: unknown; context: MessageContext }[] = [];
const see = (who: string, payload: unknown, context: MessageContext): void =>
  void seen.push({ who, payload, context });
const at = (who: string) => seen.filter((each) => each.who === who);
/** Of one topic alone: a group that gets all of them may still be busy with those of an earlier test. */
const counted = (topic: string) => at('count').filter(({ context }) => context.topic === topic);

@Injectable()
class Tenant implements CanActivate {
  canActivate(execution: ExecutionContext): boolean {
    return execution.switchToRpc().getContext<MessageContext>().headers['tenant'] !== 'unknown';
  }
}

@Injectable()
class Invoices {
  constructor(private readonly events: EventBus) {}

  @OnEvent(OrderPlaced, { group: 'billing', retry: { attempts: 3, backoff: { initial: 50, max: 50 } } })
  async bill(order: { id: string; total: number }, context: MessageContext): Promise<void> {
    see('bill', order, context);
    if (order.id === 'flaky' && context.attempt < 3) throw new Error('again');
    if (order.id === 'hopeless') throw new DeadLetter('no such customer');
    await this.events.enqueue('print', { invoice: order.id });
  }

  @OnQueue('print')
  print(task: { invoice: string }, context: MessageContext): void {
    see('print', task, context);
  }

  @OnEvent('#', { group: 'analytics' })
  count(payload: unknown, context: MessageContext): void {
    see('count', payload, context);
  }

  @OnEvent(Step, { group: 'steps', retry: { attempts: 3, backoff: { initial: 20, max: 20 } } })
  step({ key, n }: { key: string; n: number }, context: MessageContext): void {
    if (key === 'a' && n === 1 && context.attempt === 1) throw new Error('again');
    see('step', [key, n], context);
  }
}

@Controller()
@UseGuards(Tenant)
class Gate {
  @OnEvent('gate.*', { group: 'gate' })
  pass(payload: unknown, context: MessageContext): void {
    see('gate', payload, context);
  }
}

async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 5));
}

/** The first dead letters there are. */
async function lettersOf(
  app: INestApplicationContext,
  source: SubscriptionSource,
): Promise<readonly ShownDeadLetter[]> {
  let letters: readonly ShownDeadLetter[] = [];
  await until(async () => ({ letters } = await app.get(DeadLetters).list(source)).letters.length > 0);
  return letters;
}

interface Tried {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing?: string | undefined;
  broker(): string | Broker;
  removeAll?(namespace: string): Promise<void>;
}

const brokers: readonly Tried[] = [
  { name: 'memory', broker: () => memory() },
  {
    name: 'RabbitMQ',
    broker: rabbitmqUrl,
    removeAll: (namespace) =>
      removeFromRabbitmq(namespace, {
        services: ['shop'],
        subscriptions: ['billing.order.placed', 'print', 'analytics.#', 'steps.step.taken', 'gate.gate.*'],
      }),
  },
  ...kafkaDrivers.map(({ name: driver, missing }) => ({
    name: `Kafka with ${driver}`,
    missing,
    // Patterns are looked for at an interval there, and ten seconds of it are long for a test.
    broker: () => kafka({ brokers: kafkaBrokers().split(','), driver, discovery: '200ms' }),
    removeAll: removeFromKafka,
  })),
  {
    name: 'AWS',
    broker: () => aws({ ...awsOptions(), discovery: '200ms' }),
    removeAll: removeFromAws,
  },
];

function handlesAll({ broker, removeAll }: Tried): void {
  const namespace = `one-handler-${randomBytes(4).toString('hex')}`;
  let app: INestApplicationContext;
  let events: EventBus;

  beforeAll(async () => {
    seen.splice(0);
    const module = await Test.createTestingModule({
      imports: [MessagingModule.forRoot({ service: 'shop', namespace, broker: broker() })],
      providers: [Invoices],
      controllers: [Gate],
    })
      .setLogger({ log: () => undefined, warn: () => undefined, error: () => undefined })
      .compile();
    app = await module.init();
    events = app.get(EventBus);
  }, 30_000);
  afterAll(async () => {
    await app?.close();
    await removeAll?.(namespace);
  }, 30_000);
  afterEach(() => seen.splice(0) as never);

  it('an event reaches each group once, in the schema’s output, and what its handler enqueues one worker', async () => {
    await events.publish(OrderPlaced, { id: 'plain', total: '12.5' }, { headers: { tenant: 'acme' } });
    await until(() => at('print').length > 0 && counted('order.placed').length > 0);
    expect(at('bill').map(({ payload }) => payload)).toEqual([{ id: 'plain', total: 12.5 }]);
    expect(counted('order.placed').map(({ payload }) => payload)).toEqual([{ id: 'plain', total: '12.5' }]);
    expect(at('print').map(({ payload }) => payload)).toEqual([{ invoice: 'plain' }]);
    const [bill] = at('bill');
    const [print] = at('print');
    expect(bill!.context).toMatchObject({
      key: 'plain',
      topic: 'order.placed',
      group: 'billing',
      headers: { tenant: 'acme' },
    });
    expect(print!.context).toMatchObject({ causationId: bill!.context.id, correlationId: bill!.context.id });
  });

  it('a failure is retried until it succeeds, in its own group only', async () => {
    await events.publish(OrderPlaced, { id: 'flaky', total: 1 });
    await until(() => at('print').length > 0 && counted('order.placed').length > 0);
    expect(at('bill').map(({ context }) => context.attempt)).toEqual([1, 2, 3]);
    expect(counted('order.placed')).toHaveLength(1);
  });

  it('what cannot be handled is a dead letter, and redriven comes again', async () => {
    const deadLetters = app.get(DeadLetters);
    const source = { topic: OrderPlaced, group: 'billing' };
    await events.publish(OrderPlaced, { id: 'hopeless', total: 1 }, { messageId: 'm1' });
    expect(await lettersOf(app, source)).toMatchObject([
      {
        attempts: 1,
        group: 'billing',
        message: { id: 'm1' },
        failure: { name: 'DeadLetter', message: 'no such customer' },
      },
    ]);
    expect(await deadLetters.redrive(source, 'all')).toEqual({ count: 1 });
    await until(() => at('bill').length === 2);
    await lettersOf(app, source);
    expect(await deadLetters.purge(source, ['m1'])).toEqual({ count: 1 });
    expect(await deadLetters.list(source)).toEqual({ letters: [] });
  }, 20_000);

  it('a delayed event comes when it is due', async () => {
    const began = Date.now();
    await events.publish('later', 1, { delay: 400 });
    await until(() => counted('later').length > 0);
    expect(Date.now() - began).toBeGreaterThanOrEqual(390);
  });

  it('a key keeps its order through retries', async () => {
    await Promise.all([
      (async () => {
        for (let n = 1; n <= 5; n++) await events.publish(Step, { key: 'a', n });
      })(),
      (async () => {
        for (let n = 1; n <= 5; n++) await events.publish(Step, { key: 'b', n });
      })(),
    ]);
    await until(() => at('step').length === 10);
    for (const key of ['a', 'b'])
      expect(
        at('step')
          .filter(({ context }) => context.key === key)
          .map(({ payload }) => payload),
      ).toEqual([1, 2, 3, 4, 5].map((n) => [key, n]));
  });

  it('a guard on a controller refuses: a dead letter at the first attempt', async () => {
    const source = { topic: 'gate.*', group: 'gate' };
    await events.publish('gate.in', 1, { headers: { tenant: 'unknown' } });
    await events.publish('gate.in', 2, { headers: { tenant: 'acme' } });
    await until(() => at('gate').length > 0);
    expect(at('gate').map(({ payload }) => payload)).toEqual([2]);
    expect(await lettersOf(app, source)).toMatchObject([
      { attempts: 1, failure: { name: ForbiddenException.name } },
    ]);
  });

  it('a payload arrives exactly as it was sent, whatever its fields are called', async () => {
    const payload = Object.freeze({
      value: 1,
      key: 'k',
      headers: { a: 'b' },
      data: [null],
      pattern: '#',
      id: 0,
      payload: { payload: '' },
    });
    await events.publish('odd.fields', payload);
    await until(() => counted('odd.fields').length > 0);
    expect(counted('odd.fields')[0]!.payload).toEqual(payload);
  });
}

for (const tried of brokers) describeHere(`on ${tried.name}`, tried.missing, () => handlesAll(tried));
