import { afterAll, beforeAll, expect } from '@jest/globals';
import { DeleteQueueCommand, GetQueueUrlCommand } from '@aws-sdk/client-sqs';
import { ListSubscriptionsCommand, UnsubscribeCommand } from '@aws-sdk/client-sns';
import { aws } from '@nest-messaging/aws';
import {
  DeadLetters,
  defineEvent,
  EventBus,
  TopologyError,
  type ExaminedConnection,
} from '@nest-messaging/core';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { z } from 'zod';
import { awsEnvironment, awsOptions, countInSqs, plainAws } from '../support/aws.js';
import { administrate } from '../support/kafka.js';
import { rabbitmqUrl } from '../support/rabbitmq.js';
import { ofShop, told } from './command-line.js';
import { procedure } from './procedure.js';
import {
  allBrokers,
  amazon,
  apacheKafka,
  onEach,
  onEvent,
  onMemory,
  onQueue,
  onRabbitmq,
  rabbitMq,
  until,
  upTo,
  type Tried,
} from './stage.js';

procedure('Upgrade a contract', () => {
  const id = z.string();
  const Before = defineEvent('order.placed', { schema: z.object({ id }), version: '1' });
  const After = defineEvent('order.placed', {
    schema: z.object({ id, coupon: z.string().optional() }),
    version: '1',
  });

  onEach(
    [onMemory],
    'an optional field is handled by the older release and by the newer, whoever published',
    async ({ start }) => {
      const [older, newer]: [unknown[], unknown[]] = [[], []];
      const app = await start({
        providers: [
          onEvent(Before, (order) => older.push(order), { group: 'older' }),
          onEvent(After, (order) => newer.push(order), { group: 'newer' }),
        ],
      });
      await app.get(EventBus).publish(Before, { id: 'a' });
      await app.get(EventBus).publish(After, { id: 'b', coupon: 'X' });
      await until(() => older.length === 2 && newer.length === 2);
      expect(older).toEqual([{ id: 'a' }, { id: 'b' }]);
      expect(newer).toEqual([{ id: 'a' }, { id: 'b', coupon: 'X' }]);
    },
  );

  onEach(
    [onMemory],
    'what a strict older release sets aside is given back to the newer one',
    async ({ start, stop }) => {
      const Strict = defineEvent('order.placed', { schema: z.strictObject({ id }) });
      const handled: unknown[] = [];
      const older = await start({ providers: [onEvent(Strict, (order) => handled.push(order))] });
      await older.get(EventBus).publish(After, { id: 'b', coupon: 'X' });
      const source = { topic: 'order.placed' };
      await until(async () => (await older.get(DeadLetters).list(source)).letters.length === 1);
      await stop(older);

      const newer = await start({ providers: [onEvent(After, (order) => handled.push(order))] });
      await newer.get(DeadLetters).redrive(source, { error: 'INVALID_PAYLOAD' });
      await until(() => handled.length === 1);
      expect(handled).toEqual([{ id: 'b', coupon: 'X' }]);
    },
  );
});

procedure('Rename a topic, or publish a new version of it', () => {
  onEach(
    allBrokers,
    'handlers of both come first, then publishers of the new one, and nothing is missed or handled twice',
    async ({ start, stop }) => {
      const billed: number[] = [];
      const bill = (order: number): void => void billed.push(order);
      const onOld = onEvent('order.placed', bill);
      const onNew = onEvent('order.placed.v2', bill);
      const web = (await start({ service: 'web' })).get(EventBus);

      const first = await start({ providers: [onOld] });
      await web.publish('order.placed', 1);
      await until(() => billed.length === 1);

      const both = await start({ providers: [onOld, onNew] });
      await stop(first);
      await web.publish('order.placed', 2);
      await web.publish('order.placed.v2', 3);
      await until(() => billed.length === 3);
      await stop(both);

      await start({ providers: [onNew], retired: [{ topic: 'order.placed', outcome: 'dead-letter' }] });
      await web.publish('order.placed.v2', 4);
      await until(() => billed.length === 4);
      expect(billed.sort()).toEqual([1, 2, 3, 4]);
    },
  );
});

/** What the page says for each broker, by its client in place of its tool. */
const deleteSubscription: Readonly<Record<string, (namespace: string) => Promise<unknown>>> = {
  [rabbitMq.name]: (namespace) =>
    onRabbitmq(async (channel) => {
      for (const suffix of ['', '--suspect', '--dead'])
        await channel.deleteQueue(`${namespace}.shop.order.placed${suffix}`);
    }),
  [apacheKafka.name]: (namespace) =>
    administrate(async (admin) => {
      const subscription = `${namespace}.shop.order.placed`;
      await admin.deleteGroups([subscription]);
      await admin.deleteTopics({ topics: [`${subscription}--retry`, `${subscription}--dead`] });
    }),
  [amazon.name]: (namespace) =>
    plainAws(async (sns, sqs) => {
      const { Subscriptions = [] } = await sns.send(new ListSubscriptionsCommand());
      for (const { Endpoint, SubscriptionArn } of Subscriptions)
        if (Endpoint?.endsWith(`:${namespace}_shop_order_placed`))
          await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
      for (const suffix of ['', '--dead']) {
        const QueueName = `${namespace}_shop_order_placed${suffix}`;
        await sqs.send(
          new DeleteQueueCommand(
            (await sqs.send(new GetQueueUrlCommand({ QueueName }))) as { QueueUrl: string },
          ),
        );
      }
    }),
};

procedure('Retire a handler', () => {
  const given = { ...process.env };
  beforeAll(() => void Object.assign(process.env, awsEnvironment()));
  afterAll(() => {
    process.env = given;
  });

  /** Whether `doctor` names the subscription as one without a handler. */
  async function isOrphaned(broker: Tried, namespace: string): Promise<boolean> {
    const { code, out } = await told(
      'doctor',
      ...ofShop(broker, namespace),
      '--handle',
      'order.viewed',
      '--json',
    );
    expect(code).toBe(0);
    const [{ findings }] = JSON.parse(out) as [ExaminedConnection];
    return findings.some(
      ({ about, message }) =>
        /\.shop\.order\.placed$|_shop_order_placed$/.test(about) &&
        message.includes('no handler here has it'),
    );
  }

  for (const broker of [rabbitMq, apacheKafka, amazon])
    onEach(
      [broker],
      'what still comes is set aside, and once nothing does the subscription is deleted for good',
      async ({ namespace, start, stop }) => {
        const viewed: unknown[] = [];
        const first = await start({ providers: [onEvent('order.placed', () => undefined)] });
        await stop(first);
        const web = (await start({ service: 'web' })).get(EventBus);
        await web.publish('order.placed', 'nobody is here');

        const retiring = await start({ retired: [{ topic: 'order.placed', outcome: 'dead-letter' }] });
        const letters = retiring.get(DeadLetters);
        await until(async () => (await letters.list({ topic: 'order.placed' })).letters.length === 1);
        await letters.purge({ topic: 'order.placed' }, 'all');
        await stop(retiring);

        // On RabbitMQ its management API alone would show it.
        if (broker !== rabbitMq) await until(() => isOrphaned(broker, namespace));
        await deleteSubscription[broker.name]!(namespace);
        await until(async () => !(await isOrphaned(broker, namespace)));

        const viewing = onEvent('order.viewed', (order) => viewed.push(order));
        await stop(await start({ providers: [viewing] }));
        // Of one key, so that they would come in this order.
        const key = 'k';
        await web.publish('order.placed', 'for other groups', { key });
        await web.publish('order.viewed', 1);
        const placed: unknown[] = [];
        const anew = onEvent('order.placed', (order) => placed.push(order));
        await start({ providers: [viewing, anew] });
        await web.publish('order.placed', 'for the new one', { key });
        await until(() => viewed.length === 1 && placed.length > 0);
        expect(placed).toEqual(['for the new one']);
      },
    );
});

procedure('Rename a group or a service', () => {
  onEach(
    allBrokers,
    'a service that keeps the group’s name on its handlers goes on where the old one ended',
    async ({ start, stop }) => {
      const billed: unknown[] = [];
      const bill = (order: unknown): void => void billed.push(order);
      const old = await start({ service: 'billing', providers: [onEvent('order.placed', bill)] });
      await stop(old);
      const web = (await start({ service: 'web' })).get(EventBus);
      await web.publish('order.placed', 'between the two');
      await start({ service: 'invoicing', providers: [onEvent('order.placed', bill, { group: 'billing' })] });
      await until(() => billed.length === 1);
      expect(billed).toEqual(['between the two']);
    },
  );

  onEach(
    allBrokers,
    'with both groups for a while nothing is missed, and what comes to both has one id',
    async ({ start, stop }) => {
      const done = new Map<string, unknown>();
      let deliveries = 0;
      /** Idempotent, by the message’s id. */
      const bill = (order: unknown, { id }: { id: string }): void => {
        deliveries++;
        done.set(id, order);
      };
      const old = onEvent('order.placed', bill, { group: 'billing' });
      const renamed = onEvent('order.placed', bill, { group: 'invoicing' });
      await stop(await start({ providers: [old] }));
      const web = (await start({ service: 'web' })).get(EventBus);
      await web.publish('order.placed', 'before');

      const both = await start({ providers: [old, renamed] });
      await web.publish('order.placed', 'meanwhile');
      await until(() => deliveries === 3);
      await stop(both);

      const retired = [{ topic: 'order.placed', group: 'billing', outcome: 'discard' }] as const;
      await start({ providers: [renamed], retired });
      await web.publish('order.placed', 'after');
      await until(() => deliveries === 4);
      expect([...done.values()].sort()).toEqual(['after', 'before', 'meanwhile']);
    },
  );
});

procedure('From classic to quorum queues on RabbitMQ', () => {
  onEach(
    [rabbitMq],
    'new queues beside the old ones, which the connection of the old type empties',
    async ({ namespace, start, stop }) => {
      const [billed, printed]: [Map<string, unknown>, unknown[]] = [new Map(), []];
      const bill = (order: unknown, { id }: { id: string }): void => void billed.set(id, order);
      const print = (task: unknown): void => void printed.push(task);
      const classic = rabbitmq({ url: rabbitmqUrl(), queueType: 'classic' });
      const first = { providers: [onEvent('order.placed', bill), onQueue('invoices', print)] };
      await stop(await start({ ...first, broker: classic }));
      const web = (await start({ service: 'web', broker: classic })).get(EventBus);
      await web.publish('order.placed', 'kept in the classic queue');
      await web.enqueue('invoices', 'kept in the classic queue');

      await expect(start(first)).rejects.toThrow(TopologyError);
      await expect(start(first)).rejects.toThrow(/x-queue-type/);

      const old = { connection: 'classic' };
      const connections = { classic: { broker: classic } };
      const both = await start({
        connections,
        providers: [
          onEvent('order.placed', bill, { group: 'shop-2' }),
          onEvent('order.placed', bill, old),
          onQueue('invoices-2', print),
          onQueue('invoices', print, old),
        ],
      });
      await both.get(EventBus).publish('order.placed', 'to both');
      await both.get(EventBus).enqueue('invoices-2', 'to the quorum queue');
      await until(() => billed.size === 2 && printed.length === 2);
      await stop(both);

      await onRabbitmq(async (channel) => {
        for (const queue of ['shop.order.placed', 'invoices'])
          for (const suffix of ['', '--dead'])
            await channel.deleteQueue(`${namespace}.${queue}${suffix}`, { ifEmpty: true });
      });
      const last = await start({
        providers: [onEvent('order.placed', bill, { group: 'shop-2' }), onQueue('invoices-2', print)],
      });
      await last.get(EventBus).publish('order.placed', 'to the quorum queue');
      await until(() => billed.size === 3);
    },
  );
});

procedure('Add partitions on Kafka', () => {
  onEach(
    [apacheKafka],
    'they are found while the group runs, publishers that start anew fill them, and nothing is missed',
    async ({ namespace, start }) => {
      const seen = new Set<unknown>();
      await start({ providers: [onEvent('order.placed', (order) => seen.add(order))] });
      const topic = `${namespace}.order.placed`;
      await administrate(async (admin) => {
        await admin.createPartitions({ topicPartitions: [{ topic, count: 4 }] });
        const partitions = async () =>
          (await admin.fetchTopicMetadata({ topics: [topic] })).topics[0]!.partitions;
        await until(async () => (await partitions()).length === 4);
      });

      const events = (await start({ service: 'web' })).get(EventBus);
      let published = 0;
      await administrate((admin) =>
        until(async () => {
          await events.publish('order.placed', ++published);
          // The broker takes a moment to lead a new partition.
          const offsets = await admin.fetchTopicOffsets(topic).catch(() => undefined);
          return offsets?.every(({ high }) => Number(high) > 0) ?? false;
        }),
      );
      await until(() => seen.size === published);
    },
  );
});

procedure('Change the visibility time-out on SQS', () => {
  onEach(
    [amazon],
    'it is the process’s own: a release with another one goes on with the same queue',
    async ({ namespace, start, stop }) => {
      const seen = new Set<unknown>();
      const providers = [onEvent('order.placed', (order) => seen.add(order))];
      const release = (visibilityTimeout: '30s' | '2m') => ({
        providers,
        broker: aws({ ...awsOptions(), visibilityTimeout }),
      });
      const before = await start(release('30s'));
      const after = await start(release('2m'));
      for (const order of upTo(10)) await after.get(EventBus).publish('order.placed', order);
      await stop(before);
      for (const order of upTo(10)) await after.get(EventBus).publish('order.placed', 10 + order);
      await until(() => seen.size === 20);
      await until(async () => (await countInSqs(namespace, 'shop.order.placed')) === 0);
    },
  );
});
