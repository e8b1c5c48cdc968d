import 'reflect-metadata';
import { afterAll, beforeAll, expect, it } from '@jest/globals';
import { Injectable, type INestApplicationContext } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  DeadLetters,
  EventBus,
  MessageContext,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OnQueue,
  type Topology,
} from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';
import { startKafka } from '../../scripts/brokers/kafka.mjs';
import { describeHere } from '../support/describe-here.js';
import { kafkaDrivers, type KafkaDriver } from '../support/kafka.js';

/** The rights that docs/kafka.md lists are enough, for all that an application does. */

let broker: Awaited<ReturnType<typeof startKafka>>;

const acls = (...args: string[]): Promise<string> => broker.control('kafka-acls', ...args);
const operations = (...names: string[]): string[] => names.flatMap((name) => ['--operation', name]);
// Without a login everybody is this one.
const us = ['--allow-principal', 'User:ANONYMOUS'];

beforeAll(async () => {
  broker = await startKafka({
    config: [
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Until there is one for everything, so that there can be a first one.
      'allow.everyone.if.no.acl.found=true',
    ].join('\n'),
  });
  // What the node itself does, and this test with its rights.
  await acls('--add', ...us, ...operations('ClusterAction', 'Alter', 'Describe'), '--cluster');
  await acls('--add', ...us, ...operations('Create'), '--topic', '__consumer_offsets');
  // From then on nobody may do what is not granted.
  await acls('--add', '--allow-principal', 'User:nobody', '--topic', '*', '--group', '*');
}, 120_000);

afterAll(() => broker?.remove());

type Right = readonly [kind: 'topic' | 'group', name: string, rights: readonly string[], prefixed?: 'prefix'];

/** The rows of the table. */
const rightsIn = (namespace: string): readonly Right[] => [
  ['topic', `${namespace}.order.placed`, ['Write', 'Read']],
  ['topic', `${namespace}.billing.`, ['Read', 'Write'], 'prefix'],
  ['group', `${namespace}.billing.`, ['Read'], 'prefix'],
  ['topic', `${namespace}.invoices--queue`, ['Read', 'Write'], 'prefix'],
  ['group', `${namespace}.invoices--queue`, ['Read']],
  ['topic', `${namespace}.billing--delay`, ['Read', 'Write'], 'prefix'],
  ['group', `${namespace}.billing--delay`, ['Read']],
];

async function change(how: '--add' | '--remove', rights: readonly Right[]): Promise<void> {
  const changes = rights.map(([kind, name, granted, prefixed]) =>
    acls(
      how,
      ...(how === '--remove' ? ['--force'] : []),
      ...us,
      ...operations(...granted),
      `--${kind}`,
      name,
      '--resource-pattern-type',
      prefixed ? 'prefixed' : 'literal',
    ),
  );
  await Promise.all(changes);
}

const seen: { payload: unknown; context: MessageContext }[] = [];

@Injectable()
class Billing {
  constructor(private readonly events: EventBus) {}

  @OnEvent('order.placed', { retry: { attempts: 2, backoff: { initial: 20 } } })
  async bill(order: { good: boolean }, context: MessageContext): Promise<void> {
    seen.push({ payload: order, context });
    if (!order.good) throw new Error('not good');
    await this.events.enqueue('invoices', 'print', { delay: 20 });
  }

  @OnEvent('order.*', { group: 'billing' })
  count(order: unknown, context: MessageContext): void {
    seen.push({ payload: 'counted', context });
  }

  @OnEvent('order.placed', { broadcast: true })
  show(order: unknown, context: MessageContext): void {
    seen.push({ payload: 'shown', context });
  }

  @OnQueue('invoices')
  print(task: unknown, context: MessageContext): void {
    seen.push({ payload: task, context });
  }
}

async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 10));
}

function needsNoMore({ name: driver }: KafkaDriver): void {
  const namespace = `rights-${driver}`;
  let app: INestApplicationContext | undefined;

  const start = async (topology: Topology): Promise<INestApplicationContext> => {
    const module = await Test.createTestingModule({
      imports: [
        MessagingModule.forRoot({
          service: 'billing',
          namespace,
          topology,
          connectTimeout: '10s',
          broker: kafka({ brokers: [broker.url], driver, partitions: 2, discovery: '200ms' }),
        }),
      ],
      providers: [Billing],
    })
      .setLogger({ log: () => undefined, warn: () => undefined, error: () => undefined })
      .compile();
    return module.init();
  };

  /** Publishes, handles, retries, delays, sets aside, redrives and purges. */
  const doesEverything = async (topology: Topology): Promise<void> => {
    seen.splice(0);
    app = await start(topology);
    const [events, letters] = [app.get(EventBus), app.get(DeadLetters)];
    const source = { topic: 'order.placed' };
    await events.publish('order.placed', { good: true });
    await until(() =>
      ['print', 'counted', 'shown'].every((what) => seen.some((one) => one.payload === what)),
    );
    await events.publish('order.placed', { good: false }, { delay: 20 });
    await until(async () => (await letters.list(source)).letters.length === 1);
    expect(await letters.redrive(source, 'all')).toEqual({ count: 1 });
    await until(async () => (await letters.list(source)).letters.length === 1);
    expect(await letters.purge(source, 'all')).toEqual({ count: 1 });
    const { ready, connections } = await app.get(MessagingHealth).check();
    expect({ ready, connections }).toEqual({ ready: true, connections });
    await app.close();
    app = undefined;
  };

  afterAll(() => app?.close());

  const creating = rightsIn(namespace)
    .filter(([kind]) => kind === 'topic')
    .map(([kind, name, , prefixed]): Right => [kind, name, ['Create'], prefixed]);

  it('with topology create', async () => {
    await change('--add', [...rightsIn(namespace), ...creating]);
    await doesEverything('create');
  }, 60_000);

  it('with topology validate, without the right to create', async () => {
    await change('--remove', creating);
    await doesEverything('validate');
  }, 60_000);
}

for (const driver of kafkaDrivers)
  describeHere(`the rights of docs/kafka.md are enough, with ${driver.name}`, driver.missing, () =>
    needsNoMore(driver),
  );
