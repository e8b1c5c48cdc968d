import { describe, expect, it } from '@jest/globals';
import {
  CreateTopicCommand,
  DeleteTopicCommand,
  GetSubscriptionAttributesCommand,
  ListSubscriptionsByTopicCommand,
  ListTopicsCommand,
  PublishCommand,
} from '@aws-sdk/client-sns';
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  SetQueueAttributesCommand,
} from '@aws-sdk/client-sqs';
import { until, useStage } from '../support/stage.js';

/** What the module makes on AWS, seen by a plain client. */

const stage = useStage();

async function attributesOfSubscription(topic: string): Promise<Record<string, string>> {
  const { mark, sns } = stage();
  const { Topics = [] } = await sns.send(new ListTopicsCommand({}));
  const { TopicArn } = Topics.find(({ TopicArn: arn }) => arn!.endsWith(`:${mark}_${topic}`))!;
  const { Subscriptions = [] } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
  expect(Subscriptions).toHaveLength(1);
  const { SubscriptionArn } = Subscriptions[0]!;
  const { Attributes } = await sns.send(new GetSubscriptionAttributesCommand({ SubscriptionArn }));
  return Attributes!;
}

async function queuesNow(): Promise<string[]> {
  const { mark, sqs } = stage();
  const { QueueUrls = [] } = await sqs.send(new ListQueuesCommand({ QueueNamePrefix: mark }));
  return QueueUrls.map((url) => url.slice(url.lastIndexOf('/') + 1 + mark.length + 1)).sort();
}

describe('a subscription', () => {
  it('is a queue with its dead letters, which say what they are for', async () => {
    const { mark, sqs, open, queueUrl } = stage();
    const { subscribe } = await open();
    await subscribe('order.*');
    expect(await queuesNow()).toEqual(['group_order_--one', 'group_order_--one--dead']);
    const QueueUrl = await queueUrl(`${mark}_group_order_--one`);
    const { Tags } = await sqs.send(new ListQueueTagsCommand({ QueueUrl }));
    expect(Tags).toEqual({
      'nest-messaging:service': 'service',
      'nest-messaging:group': 'group',
      'nest-messaging:topic': 'order.+',
    });
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
    );
    expect(Attributes).toMatchObject({ MessageRetentionPeriod: '1209600' });
    expect(JSON.parse(Attributes!['RedrivePolicy']!)).toMatchObject({
      deadLetterTargetArn: expect.stringMatching(/--dead$/),
    });
    expect(JSON.parse(Attributes!['Policy']!).Statement).toMatchObject([
      {
        Condition: {
          ArnLike: { 'aws:SourceArn': [expect.stringMatching(/:\w+_order_\*$/), expect.anything()] },
        },
      },
    ]);
  });

  it('leaves attributes and policies of a queue that exists as they are, and adds what it needs', async () => {
    const { mark, sqs, open, queueUrl } = stage();
    const foreign = {
      Sid: 'Auditors',
      Effect: 'Allow',
      Principal: '*',
      Action: 'sqs:ReceiveMessage',
      Resource: '*',
    };
    await sqs.send(
      new CreateQueueCommand({
        QueueName: `${mark}_group_order`,
        Attributes: { MessageRetentionPeriod: '60' },
      }),
    );
    const QueueUrl = await queueUrl(`${mark}_group_order`);
    await sqs.send(
      new SetQueueAttributesCommand({
        QueueUrl,
        Attributes: { Policy: JSON.stringify({ Version: '2012-10-17', Statement: [foreign] }) },
      }),
    );
    const { subscribe, publish } = await open();
    const { seen } = await subscribe('order');
    await publish('order', '1');
    await until(() => seen.length === 1, 'the message');
    const { Attributes } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
    );
    expect(Attributes!['MessageRetentionPeriod']).toBe('60');
    expect(JSON.parse(Attributes!['Policy']!).Statement[0]).toEqual(foreign);
  });

  it('has the filter policy of its handler, and another one at the next start', async () => {
    const { open } = stage();
    const withPolicy = (filterPolicy?: object) => ({ brokerOptions: filterPolicy && { filterPolicy } });
    const first = await open();
    const domestic = await first.subscribe('order', undefined, withPolicy({ country: ['DE'] }));
    await first.publish('order', 'abroad', { headers: { country: 'FR' } });
    await first.publish('order', 'at home', { headers: { country: 'DE' } });
    await until(() => domestic.seen.length === 1, 'the message that passes');
    expect(domestic.seen[0]!.text).toBe('at home');
    expect(await attributesOfSubscription('order')).toMatchObject({
      RawMessageDelivery: 'true',
      FilterPolicy: '{"country":["DE"]}',
    });
    await first.transport.close();

    const second = await open();
    await second.subscribe('order', undefined, withPolicy({ country: ['FR'] }));
    expect(await attributesOfSubscription('order')).toMatchObject({ FilterPolicy: '{"country":["FR"]}' });
    await second.transport.close();

    const third = await open();
    await third.subscribe('order');
    expect(['{}', undefined]).toContain((await attributesOfSubscription('order'))['FilterPolicy']);
  });

  it('keeps its filter policy when a publisher meets its topic anew', async () => {
    const { open } = stage();
    const handling = await open({ discovery: '200ms' });
    await handling.subscribe('order.*', undefined, { brokerOptions: { filterPolicy: { country: ['DE'] } } });
    await handling.publish('order.placed', '1', { headers: { country: 'DE' } });
    await until(
      async () => (await attributesOfSubscription('order_placed'))['FilterPolicy'] !== undefined,
      'it',
    );
    const publishing = await open();
    await publishing.publish('order.placed', '2', { headers: { country: 'DE' } });
    expect(await attributesOfSubscription('order_placed')).toMatchObject({
      FilterPolicy: '{"country":["DE"]}',
    });
  });

  it('without an order gets what an event with an order publishes, too', async () => {
    const { open } = stage();
    const { subscribe, publish } = await open();
    const { seen } = await subscribe('step');
    await publish('step', 'in order', { ordered: true, key: 'k' });
    await publish('step', 'without');
    await until(() => seen.length === 2, 'both');
    expect(seen.map(({ text, message }) => [text, message.key]).sort()).toEqual([
      ['in order', 'k'],
      ['without', undefined],
    ]);
  });

  it('is not mixed up with a queue for tasks that happens to have its name', async () => {
    const { open } = stage();
    const { subscribe, publish, enqueue } = await open();
    const tasks = await subscribe({ kind: 'queue', name: 'group.order' });
    await publish('order', 'event', { ordered: true, key: 'k' });
    await enqueue('group.order', 'task');
    await until(() => tasks.seen.length === 1, 'the task');
    expect(tasks.seen.map(({ text }) => text)).toEqual(['task']);
  });
});

describe('a task with an order', () => {
  it('can be delayed, though no FIFO queue delays a message', async () => {
    const { open } = stage();
    const { subscribe, enqueue } = await open();
    const { seen } = await subscribe({ kind: 'queue', name: 'tasks' }, undefined, { ordered: true });
    const sent = Date.now();
    await enqueue('tasks', 'later', { ordered: true, key: 'k', delay: 1_500 });
    await enqueue('tasks', 'now', { ordered: true, key: 'k' });
    await until(() => seen.length === 2, 'both');
    expect(seen.map(({ text }) => text)).toEqual(['now', 'later']);
    expect(Date.now() - sent).toBeGreaterThanOrEqual(1_450);
    expect(seen[1]!.message).toMatchObject({ key: 'k', destination: { kind: 'queue', name: 'tasks' } });
  });
});

describe('a topic or a queue that someone deletes', () => {
  it('is made anew by the next publish', async () => {
    const { mark, sns, sqs, open, queueUrl } = stage();
    const { subscribe, publish, enqueue } = await open();
    await publish('order', 'before');
    await enqueue('tasks', 'before');
    const { Topics = [] } = await sns.send(new ListTopicsCommand({}));
    for (const { TopicArn } of Topics.filter(({ TopicArn: arn }) => arn!.includes(mark)))
      await sns.send(new DeleteTopicCommand({ TopicArn }));
    await sqs.send(new DeleteQueueCommand({ QueueUrl: await queueUrl(`${mark}_tasks`) }));
    await enqueue('tasks', 'after');
    await publish('order', 'to nobody');
    const orders = await subscribe('order');
    const tasks = await subscribe({ kind: 'queue', name: 'tasks' });
    await publish('order', 'after');
    await until(() => orders.seen.length === 1 && tasks.seen.length === 1, 'both');
    expect([orders.seen[0]!.text, tasks.seen[0]!.text]).toEqual(['after', 'after']);
  });

  it('has its running subscribers again before the next publish', async () => {
    const { mark, sns, open } = stage();
    // So long that only the publisher can have subscribed them.
    const handling = await open({ discovery: '1h' });
    const probes = [
      await handling.subscribe('order.placed'),
      await handling.subscribe('order.placed', undefined, { group: 'ordered', ordered: true }),
      await handling.subscribe('order.*'),
    ];
    const publishing = await open();
    const both = async (text: string): Promise<void> => {
      await publishing.publish('order.placed', text);
      await publishing.publish('order.placed', `${text}, in order`, { ordered: true, key: 'k' });
    };
    await both('before');
    const { Topics = [] } = await sns.send(new ListTopicsCommand({}));
    for (const { TopicArn } of Topics.filter(({ TopicArn: arn }) => arn!.includes(mark)))
      await sns.send(new DeleteTopicCommand({ TopicArn }));
    await both('after');
    const seen = () => probes.map((probe) => probe.seen.map(({ text }) => text).toSorted());
    await until(() => seen().flat().length >= 10, 'all of them');
    const [ordered, all] = [
      ['after, in order', 'before, in order'],
      ['after', 'after, in order', 'before', 'before, in order'],
    ];
    expect(seen()).toEqual([all, ordered, all]);
  });
});

describe('a pattern', () => {
  it('misses nothing of a topic that is made after it', async () => {
    const { open } = stage();
    // So long that only the publisher can have subscribed it.
    const handling = await open({ discovery: '1h' });
    const { seen } = await handling.subscribe('order.#');
    const publishing = await open();
    await Promise.all(['order.a', 'order.b', 'order'].map((topic) => publishing.publish(topic, topic)));
    await until(() => seen.length === 3, 'all three');
    expect(seen.map(({ message }) => message.destination.name).sort()).toEqual([
      'order',
      'order.a',
      'order.b',
    ]);
  });

  it('has its filter policy on a topic that is made after it', async () => {
    const { open } = stage();
    const handling = await open({ discovery: '1h' });
    const filterPolicy = { country: ['DE', 'AT'] };
    const { seen } = await handling.subscribe('order.*', undefined, { brokerOptions: { filterPolicy } });
    const publishing = await open();
    await publishing.publish('order.placed', 'abroad', { headers: { country: 'FR' } });
    await publishing.publish('order.placed', 'at home', { headers: { country: 'DE' } });
    await until(() => seen.length > 0, 'the message that passes');
    expect(seen.map(({ text }) => text)).toEqual(['at home']);
    expect(await attributesOfSubscription('order_placed')).toMatchObject({
      FilterPolicy: '{"country":["DE","AT"]}',
    });
  });

  it('finds topics that others make who have never heard of the module', async () => {
    const { mark, open, sns } = stage();
    const { subscribe } = await open({ discovery: '200ms' });
    const { seen } = await subscribe('order.*');
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: `${mark}_order_foreign` }));
    await until(async () => {
      const { Subscriptions = [] } = await sns.send(new ListSubscriptionsByTopicCommand({ TopicArn }));
      return Subscriptions.length > 0;
    }, 'the subscription');
    await sns.send(new PublishCommand({ TopicArn, Message: '{"n":1}' }));
    await until(() => seen.length === 1, 'the message');
    expect(seen[0]!.text).toBe('{"n":1}');
    expect(seen[0]!.message.destination).toEqual({ kind: 'topic', name: 'order.foreign' });
  });
});

describe('a broadcast', () => {
  it('has a queue of its process alone, which goes with it', async () => {
    const { open } = stage();
    const { subscribe, publish, transport } = await open();
    const { seen } = await subscribe('cache', undefined, { broadcast: true });
    await publish('cache', 'cleared');
    await until(() => seen.length === 1, 'the message');
    expect(await queuesNow()).toEqual([expect.stringMatching(/^group_cache--live-\w{8}$/)]);
    await transport.close();
    expect(await queuesNow()).toEqual([]);
  });

  it('is swept where its process has died, and left alone where it lives', async () => {
    const { mark, sns, sqs, open } = stage();
    const live = async (name: string, minutes: number): Promise<void> => {
      await sqs.send(
        new CreateQueueCommand({
          QueueName: `${mark}_group_cache--live-${name}`,
          tags: { 'nest-messaging:alive': new Date(Date.now() - minutes * 60_000).toISOString() },
        }),
      );
    };
    await live('dead', 90);
    await live('lives', 5);
    // Not the module's: nothing says that its process has died.
    await sqs.send(new CreateQueueCommand({ QueueName: `${mark}_group_cache--live-foreign` }));
    const { subscribe } = await open();
    await subscribe('cache', undefined, { broadcast: true });
    const found = (await queuesNow()).map((name) => name.replace(/.*--live-/, ''));
    expect(found.filter((name) => !/^\w{8}$/.test(name))).toEqual(['foreign', 'lives']);
    const { Topics = [] } = await sns.send(new ListTopicsCommand({}));
    expect(Topics.filter(({ TopicArn }) => TopicArn!.includes(mark))).toHaveLength(1);
  });
});
