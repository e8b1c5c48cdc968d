import { afterAll, beforeAll, expect } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { aws } from '@nest-messaging/aws';
import {
  DeadLetters,
  EventBus,
  MessagingError,
  MessagingEvents,
  MessagingHealth,
  Subscriptions,
  TopologyError,
  type Broker,
} from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { startKafka } from '../../scripts/brokers/kafka.mjs';
import { openDoor } from '../faults/door.js';
import { awsEndpoint, awsEnvironment, awsOptions } from '../support/aws.js';
import { rabbitmqUrl } from '../support/rabbitmq.js';
import { nestMessaging, ofShop } from './command-line.js';
import { procedure } from './procedure.js';
import {
  allBrokers,
  amazon,
  apacheKafka,
  onEach,
  onEvent,
  onMemory,
  rabbitMq,
  realBrokers,
  until,
  upTo,
  type Tried,
} from './stage.js';

const source = { topic: 'order.placed' };

procedure('Redrive dead letters', () => {
  onEach(
    allBrokers,
    'looked at, tried with one, then the rest of the time of the trouble, slowly; the others stay',
    async ({ start, stop }) => {
      const billed: number[] = [];
      const broken = await start({
        providers: [
          onEvent(
            'order.placed',
            (order) => {
              throw order === 6 ? new RangeError('never good') : new TypeError('a defect');
            },
            { retry: { attempts: 1 } },
          ),
        ],
      });
      const since = new Date();
      await broken.get(EventBus).publishAll('order.placed', upTo(6));
      await until(async () => (await broken.get(DeadLetters).list(source)).letters.length === 6);
      await stop(broken);

      const mended = await start({ providers: [onEvent('order.placed', (order) => billed.push(order))] });
      const letters = mended.get(DeadLetters);
      const fits = { error: 'TypeError', since };
      const { letters: listed } = await letters.list(source, fits);
      expect(listed.map(({ failure }) => failure.message)).toEqual(Array(5).fill('a defect'));
      expect(await letters.redrive(source, fits, { dryRun: true })).toMatchObject({ count: 5 });
      expect(billed).toEqual([]);

      await letters.redrive(source, [listed[0]!.message.id]);
      await until(() => billed.length === 1);
      expect(await letters.redrive(source, fits, { rate: 100 })).toMatchObject({ count: 4 });
      await until(() => billed.length === 5);
      expect(billed.sort()).toEqual([1, 2, 3, 4, 5]);
      expect((await letters.list(source)).letters.map(({ failure }) => failure.name)).toEqual(['RangeError']);
    },
  );

  const given = { ...process.env };
  beforeAll(() => void Object.assign(process.env, awsEnvironment()));
  afterAll(() => {
    process.env = given;
  });

  for (const broker of realBrokers)
    onEach([broker], 'by the command line, with no application', async ({ namespace, start, stop }) => {
      const billed: unknown[] = [];
      const refuse = (): never => {
        throw new TypeError('a defect');
      };
      const broken = await start({
        providers: [onEvent('order.placed', refuse, { retry: { attempts: 1 } })],
      });
      await broken.get(EventBus).publishAll('order.placed', upTo(3));
      await until(async () => (await broken.get(DeadLetters).list(source)).letters.length === 3);
      await stop(broken);

      await start({ providers: [onEvent('order.placed', (order) => billed.push(order))] });
      const which = [...ofShop(broker, namespace), '--topic', 'order.placed', '--error', 'TypeError'];
      expect(await nestMessaging('dead-letters', 'list', ...which)).toBe(0);
      expect(await nestMessaging('dead-letters', 'redrive', ...which, '--since', '2h', '--dry-run')).toBe(0);
      expect(billed).toEqual([]);
      expect(await nestMessaging('dead-letters', 'redrive', ...which, '--since', '2h', '--rate', '50')).toBe(
        0,
      );
      await until(() => billed.length === 3);
    });
});

/** A way to a broker, which can be closed and opened again. */
interface Way {
  readonly broker: Broker;
  close(): Promise<unknown>;
  open(): Promise<unknown>;
  remove(): Promise<unknown>;
}

async function throughDoor(to: string, brokerAt: (address: string) => Broker): Promise<Way> {
  let door = await openDoor(to);
  const { port } = door;
  return {
    broker: brokerAt(`127.0.0.1:${port}`),
    close: () => door.close(),
    open: async () => (door = await openDoor(to, port)),
    remove: () => door.close(),
  };
}

/** Kafka tells its clients where it is, past any door: it is killed instead. */
async function ownKafka(): Promise<Way> {
  const { url, kill, start, remove } = await startKafka();
  return { broker: kafka({ brokers: [url], partitions: 2 }), close: kill, open: start, remove };
}

const ways: readonly (readonly [Tried, () => Promise<Way>])[] = [
  [
    rabbitMq,
    () => {
      const url = new URL(rabbitmqUrl());
      const { host } = url;
      return throughDoor(host, (address) => {
        url.host = address;
        return rabbitmq({ url: url.href });
      });
    },
  ],
  [apacheKafka, ownKafka],
  [
    amazon,
    () =>
      throughDoor(new URL(awsEndpoint()).host, (address) =>
        // A request that was cut may have taken a message, which comes again after the visibility time-out.
        aws({ ...awsOptions(), endpoint: `http://${address}`, longPoll: '1s', visibilityTimeout: '3s' }),
      ),
  ],
];

procedure('After an outage of the broker', () => {
  for (const [tried, makeWay] of ways)
    onEach(
      [tried],
      'nothing is started anew; what waited is published, and what failed is published again under its id',
      async ({ start, stop }) => {
        const way = await makeWay();
        try {
          const handled: string[] = [];
          const { broker } = way;
          const handling = [onEvent('order.placed', (_, { id }) => handled.push(id))];
          const shop = await start({ broker, providers: handling, publish: { timeout: '30s' } });
          const web = await start({ broker, service: 'web', publish: { timeout: '500ms' } });
          const publish = (app: typeof shop, messageId: string): Promise<void> =>
            app.get(EventBus).publish('order.placed', {}, { messageId });
          await publish(web, 'before');
          await until(() => handled.includes('before'));

          await way.close();
          const waits = publish(shop, 'waited');
          await expect(publish(web, 'failed')).rejects.toThrow(MessagingError);
          const health = shop.get(MessagingHealth);
          await until(async () => !(await health.check()).ready);
          expect(await health.check()).toMatchObject({ ready: false, live: true });

          await way.open();
          await waits;
          await until(async () => (await health.check()).ready);
          await until(() =>
            publish(web, 'failed').then(
              () => true,
              () => false,
            ),
          );
          await until(() => ['waited', 'failed'].every((id) => handled.includes(id)));
          const { connections } = await health.check();
          expect(connections[0]!.parts.some(({ lastError }) => lastError !== undefined)).toBe(true);
          await Promise.all([stop(shop), stop(web)]);
        } finally {
          await way.remove();
        }
      },
    );
});

procedure('Pause while a dependency is down', () => {
  onEach(allBrokers, 'messages wait on the broker, are counted, and none is set aside', async ({ start }) => {
    const [charged, noted]: [Set<number>, Set<number>] = [new Set(), new Set()];
    const app = await start({
      providers: [
        onEvent('order.placed', (order) => charged.add(order)),
        onEvent('order.placed', (order) => noted.add(order), { group: 'journal' }),
      ],
    });
    const subscriptions = app.get(Subscriptions);
    await subscriptions.pause(source);
    for (const order of upTo(10)) await app.get(EventBus).publish('order.placed', order);
    await until(() => noted.size === 10);
    expect(charged.size).toBe(0);
    const health = app.get(MessagingHealth);
    expect(await health.check()).toMatchObject({ ready: true });
    const waiting = (await health.backlog()).find(({ name }) => name.includes("'shop'"));
    expect(waiting).toMatchObject({ messages: 10 });

    await subscriptions.resume(source);
    await until(() => charged.size === 10);
    expect(await app.get(DeadLetters).list(source)).toEqual({ letters: [] });
  });
});

procedure('Replay on Kafka', () => {
  onEach(
    [apacheKafka],
    'once the group’s other processes are paused, what was handled comes again, to this group alone',
    async ({ start }) => {
      const billed: number[] = [];
      const noted: number[] = [];
      const bill = onEvent('order.placed', (order) => billed.push(order));
      const one = await start({
        providers: [bill, onEvent('order.placed', (order) => noted.push(order), { group: 'journal' })],
      });
      const other = await start({ providers: [bill] });
      const from = new Date();
      for (const order of upTo(10)) await one.get(EventBus).publish('order.placed', order);
      await until(() => billed.length === 10 && noted.length === 10);

      const replay = (): Promise<void> => one.get(Subscriptions).replay(source, { from });
      await expect(replay()).rejects.toThrow(TopologyError);
      await other.get(Subscriptions).pause(source);
      await replay();
      await other.get(Subscriptions).resume(source);
      await until(() => billed.length === 20);
      expect(billed.sort((a, b) => a - b)).toEqual(upTo(10).flatMap((order) => [order, order]));
      expect(noted).toHaveLength(10);
    },
  );
});

procedure('What to alert on', () => {
  const read = (path: string): string => readFileSync(new URL(`../../docs/${path}`, import.meta.url), 'utf8');

  onEach([onMemory], 'a program hears of a dead letter and of a pause', async ({ start }) => {
    const told: string[] = [];
    const app = await start({
      providers: [
        onEvent(
          'order.placed',
          () => {
            throw new Error('a defect');
          },
          { retry: { attempts: 1 } },
        ),
      ],
    });
    const events = app.get(MessagingEvents);
    for (const type of ['dead-lettered', 'paused'] as const) events.on(type, () => told.push(type));
    await app.get(EventBus).publish('order.placed', 1);
    await until(() => told.includes('dead-lettered'));
    await app.get(Subscriptions).pause(source);
    await until(() => told.includes('paused'));
  });

  onEach([onMemory], 'each rule of alerts.yml has its row, and its procedure is on the page', async () => {
    const rules = [...read('telemetry/alerts.yml').matchAll(/alert: (\w+)/g)].map(([, rule]) => rule);
    const page = read('operating.md');
    const rows = [...page.matchAll(/^\| `(\w+)` \|.*\]\((#[\w-]+)\).*\|$/gm)];
    expect(rows.map(([, rule]) => rule).sort()).toEqual(rules.sort());
    const anchors = [...page.matchAll(/^##+ (.+)$/gm)].map(
      ([, heading]) =>
        `#${heading!
          .toLowerCase()
          .replaceAll(/[^\w -]/g, '')
          .replaceAll(' ', '-')}`,
    );
    for (const [, , anchor] of rows) expect(anchors).toContain(anchor);
  });
});
