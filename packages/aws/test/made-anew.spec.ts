import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import {
  systemClock,
  type OutgoingMessage,
  type Subscription,
  type Topology,
  type Transport,
} from '@nest-messaging/core/contract';
import { aws, type AwsOptions } from '../src/index.js';
import { refuse, startStub, type Call, type Stub } from './stub.js';
import { acknowledge, until } from './support/stage.js';

/** Topics and their subscriptions as AWS keeps them: a topic that is deleted takes its subscriptions with it. */
interface Land {
  readonly stub: Stub;
  /** Attributes of subscriptions, by topic and queue. */
  readonly topics: Map<string, Map<string, Record<string, string>>>;
  readonly tags: Map<string, Record<string, string>>;
  readonly delete: (topic: string) => void;
}

const ending = (text: string): string => text.split(/[:/]/).at(-1)!;
const missing = () => refuse('NotFound', 404);

async function startLand(): Promise<Land> {
  const stub = await startStub();
  const topics: Land['topics'] = new Map();
  const tags: Land['tags'] = new Map();
  let made = 0;
  const arn = (topic: string): string => `arn:aws:sns:eu-west-1:000000000000:${topic}`;
  const url = (queue: string): string => `${stub.url}/000000000000/${queue}`;
  const attributesOf = ({ input }: Call): Record<string, string> =>
    Object.fromEntries((input.Attributes ?? []).map(({ key, value }: any) => [key, value]));

  stub.on('CreateTopic', ({ input: { Name } }) => {
    if (!topics.has(Name)) topics.set(Name, new Map());
    return 'usual';
  });
  stub.on('ListTopics', () => ({ Topics: [...topics.keys()].map((topic) => ({ TopicArn: arn(topic) })) }));
  stub.on('GetTopicAttributes', ({ input }) => (topics.has(ending(input.TopicArn)) ? {} : missing()));
  stub.on('PublishBatch', ({ input }) => (topics.has(ending(input.TopicArn)) ? 'usual' : missing()));
  stub.on('Subscribe', (call) => {
    const { TopicArn, Endpoint } = call.input;
    const subscriptions = topics.get(ending(TopicArn));
    if (!subscriptions) return missing();
    const given = attributesOf(call);
    const now = subscriptions.get(ending(Endpoint));
    if (now && Object.entries(given).some(([name, value]) => now[name] !== value))
      return refuse('InvalidParameter', 400, 'Subscription already exists with different attributes');
    if (!now) subscriptions.set(ending(Endpoint), { ...given, arn: `${TopicArn}:${++made}` });
    return { SubscriptionArn: subscriptions.get(ending(Endpoint))!['arn']! };
  });
  stub.on('ListSubscriptionsByTopic', ({ input }) => ({
    Subscriptions: [...(topics.get(ending(input.TopicArn)) ?? [])].map(([queue, about]) => ({
      Endpoint: `arn:aws:sqs:eu-west-1:000000000000:${queue}`,
      SubscriptionArn: about['arn']!,
    })),
  }));
  // As far as the module asks.
  stub.on('GetSubscriptionAttributes', ({ input }) => {
    const all = [...topics.values()].flatMap((subscriptions) => [...subscriptions.values()]);
    const value = all.find(({ arn: each }) => each === input.SubscriptionArn)?.['FilterPolicy'];
    return value === undefined ? {} : { Attributes: { entry: { key: 'FilterPolicy', value } } };
  });
  stub.on('SetSubscriptionAttributes', ({ input }) => {
    for (const subscriptions of topics.values())
      for (const about of subscriptions.values())
        if (about['arn'] === input.SubscriptionArn) about[input.AttributeName] = input.AttributeValue;
    return {};
  });
  stub.on('GetQueueUrl', ({ input }) =>
    tags.has(input.QueueName) ? 'usual' : refuse('AWS.SimpleQueueService.NonExistentQueue'),
  );
  stub.on('CreateQueue', ({ input }) => {
    tags.set(input.QueueName, input.tags ?? {});
    return 'usual';
  });
  stub.on('ListQueues', () => ({ QueueUrls: [...tags.keys()].map(url) }));
  stub.on('ListQueueTags', ({ input }) => ({ Tags: tags.get(ending(input.QueueUrl))! }));
  stub.on('TagQueue', ({ input }) => {
    Object.assign(tags.get(ending(input.QueueUrl))!, input.Tags);
    return {};
  });
  return { stub, topics, tags, delete: (topic) => void topics.delete(topic) };
}

let land: Land;
let opened: Transport[];

beforeEach(async () => {
  land = await startLand();
  opened = [];
});

afterEach(async () => {
  await Promise.all(opened.map((transport) => transport.close()));
  await land.stub.close();
});

async function open(options: AwsOptions = {}, topology: Topology = 'create'): Promise<Transport> {
  const transport = aws({
    region: 'eu-west-1',
    endpoint: land.stub.url,
    client: { credentials: { accessKeyId: 'someone', secretAccessKey: 's3cret' } },
    // So long that only the publisher can have done it.
    discovery: '1h',
    ...options,
  }).open({
    connection: 'default',
    service: 'service',
    topology,
    connectTimeout: 20_000,
    clock: systemClock,
    report: () => undefined,
  });
  opened.push(transport);
  await transport.connect();
  return transport;
}

const subscribe = (transport: Transport, name: string, more: Partial<Subscription> = {}) =>
  transport.subscribe(
    {
      source: { kind: 'topic', name },
      group: 'group',
      ordered: false,
      broadcast: false,
      maxUnsettled: 10,
      ...more,
    },
    async () => acknowledge,
  );

const never = new AbortController().signal;
let messages = 0;
const publish = (transport: Transport, name: string, more: Partial<OutgoingMessage> = {}): Promise<void> =>
  transport.publish(
    {
      id: `m${++messages}`,
      destination: { kind: 'topic', name },
      body: Buffer.from('1'),
      contentType: 'application/json',
      headers: {},
      delay: 0,
      ordered: false,
      publishedAt: Date.now(),
      source: '/test',
      ...more,
    },
    never,
  );

const inOrder = { ordered: true, key: 'k' };

describe('a topic that is deleted while applications run', () => {
  it.each([
    ['exact', 'order.placed', 'order_placed', false],
    ['ordered', 'order.placed', 'order_placed.fifo', true],
    ['pattern', 'order.*', 'order_placed', false],
  ])('has its subscribers again when it is published to: %s', async (_, source, topic, ordered) => {
    await subscribe(await open(), source, { ordered });
    const publishing = await open();
    await publish(publishing, 'order.placed', ordered ? inOrder : {});
    const [queue] = [...land.topics.get(topic)!.keys()];
    land.delete(topic);
    /** Who was subscribed when what was published was accepted. */
    const subscribed: string[][] = [];
    land.stub.on('PublishBatch', () => {
      const now = land.topics.get(topic);
      if (!now) return missing();
      subscribed.push([...now.keys()]);
      return 'usual';
    });
    await publish(publishing, 'order.placed', ordered ? inOrder : {});
    expect(subscribed).toEqual([[queue]]);
  });

  it.each([
    ['exact', 'order.placed', 'order_placed', {}],
    ['ordered', 'order.placed', 'order_placed.fifo', { ordered: true }],
    ['broadcast', 'order.placed', 'order_placed', { broadcast: true }],
    ['pattern', 'order.*', 'order_placed', {}],
  ])(
    'and made anew by others has its subscribers again after their next look: %s',
    async (_, source, topic, more) => {
      land.topics.set(topic, new Map());
      await subscribe(await open({ discovery: '20ms' }), source, more);
      expect(land.topics.get(topic)!.size).toBe(1);
      const [queue] = [...land.topics.get(topic)!.keys()];
      land.topics.set(topic, new Map());
      await until(() => land.topics.get(topic)?.has(queue!), 'it to be subscribed');
    },
  );

  it('is made anew by its subscribers, who look', async () => {
    await subscribe(await open({ discovery: '20ms' }), 'order.placed');
    land.delete('order_placed');
    await until(() => land.topics.get('order_placed')?.has('group_order_placed'), 'it');
  });

  it('and was not is asked for once a look, and nothing is changed', async () => {
    await subscribe(await open({ discovery: '20ms' }), 'order.placed', { ordered: true });
    const before = land.stub.calls.length;
    await until(() => land.stub.count('Subscribe') > 5, 'some looks');
    const asked = land.stub.calls.slice(before).filter(({ service }) => service === 'sns');
    expect(new Set(asked.map(({ action }) => action))).toEqual(new Set(['Subscribe']));
  });

  it('is not looked after where nothing may be made', async () => {
    const making = await open();
    await subscribe(making, 'order.placed', { ordered: true });
    await subscribe(making, 'order.*');
    const looking = await open({ discovery: '20ms' }, 'validate');
    const made = land.stub.count('Subscribe');
    await subscribe(looking, 'order.placed', { ordered: true });
    await subscribe(looking, 'order.*');
    const before = land.stub.count('ListTopics');
    await until(() => land.stub.count('ListTopics') > before + 5, 'some looks');
    expect(land.stub.count('Subscribe')).toBe(made);
  });
});

describe('a filter policy', () => {
  const filtered = (filterPolicy: object, filterPolicyScope?: 'MessageBody'): Partial<Subscription> => ({
    brokerOptions: { filterPolicy, ...(filterPolicyScope && { filterPolicyScope }) },
  });
  const policyOf = (topic: string, queue: string): string | undefined =>
    land.topics.get(topic)?.get(queue)?.['FilterPolicy'];
  const filterTags = (queue: string): string[] =>
    Object.entries(land.tags.get(queue)!).flatMap(([key, value]) => (key.includes(':filter') ? [value] : []));

  it.each([
    ['short', { country: ['DE', 'Österreich'] }],
    ['of several tags', { country: Array.from({ length: 60 }, (_, at) => `country ${at}`) }],
  ])('of a pattern holds for a topic that its publisher makes: %s', async (_, policy) => {
    await subscribe(await open(), 'order.*', filtered(policy, 'MessageBody'));
    await publish(await open(), 'order.placed');
    expect(land.topics.get('order_placed')!.get('group_order_--one')).toMatchObject({
      RawMessageDelivery: 'false',
      FilterPolicyScope: 'MessageBody',
      FilterPolicy: JSON.stringify(policy),
    });
    for (const value of filterTags('group_order_--one')) expect(value).toMatch(/^[A-Za-z0-9+/=]{1,256}$/);
  });

  it('holds for a topic that a publisher makes anew', async () => {
    await subscribe(await open(), 'order.placed', filtered({ country: ['DE'] }));
    land.delete('order_placed');
    const publishing = await open();
    await publish(publishing, 'order.placed');
    land.delete('order_placed');
    await publish(publishing, 'order.placed');
    expect(policyOf('order_placed', 'group_order_placed')).toBe('{"country":["DE"]}');
  });

  it('that changes, or is no more, is told to publishers from then on', async () => {
    const long = { country: Array.from({ length: 60 }, (_, at) => `country ${at}`) };
    await subscribe(await open(), 'order.*', filtered(long));
    expect(filterTags('group_order_--one').length).toBeGreaterThan(1);
    await subscribe(await open(), 'order.*', filtered({ country: ['FR'] }));
    await publish(await open(), 'order.placed');
    expect(policyOf('order_placed', 'group_order_--one')).toBe('{"country":["FR"]}');
    await subscribe(await open(), 'order.*');
    expect(filterTags('group_order_--one').join('')).toBe('');
    await publish(await open(), 'order.paid');
    expect(land.topics.get('order_paid')!.has('group_order_--one')).toBe(true);
    expect(policyOf('order_paid', 'group_order_--one')).toBeUndefined();
  });

  it('that a newer release has changed is not set back by an older one that looks', async () => {
    await subscribe(await open({ discovery: '20ms' }), 'order.placed', filtered({ country: ['DE'] }));
    await subscribe(await open(), 'order.placed', filtered({ country: ['FR'] }));
    const looks = land.stub.count('Subscribe');
    const changes = land.stub.count('SetSubscriptionAttributes');
    await until(() => land.stub.count('Subscribe') > looks + 5, 'some looks');
    expect(land.stub.count('SetSubscriptionAttributes')).toBe(changes);
    expect(policyOf('order_placed', 'group_order_placed')).toBe('{"country":["FR"]}');
  });

  it('that is too long for tags is set by its subscriber when that looks', async () => {
    const policy = { country: Array.from({ length: 200 }, (_, at) => `country ${at}`) };
    await subscribe(await open({ discovery: '20ms' }), 'order.*', filtered(policy));
    expect(filterTags('group_order_--one')).toEqual([]);
    await publish(await open(), 'order.placed');
    await until(() => policyOf('order_placed', 'group_order_--one') === JSON.stringify(policy), 'the policy');
  });

  it('asks for no tags where there is none', async () => {
    land.stub.on('ListQueueTags', () => refuse('AccessDeniedException', 400));
    const transport = await open();
    await subscribe(transport, 'order.placed');
    await expect(subscribe(transport, 'order.paid', filtered({ country: ['DE'] }))).rejects.toThrow(
      /sqs:ListQueueTags for queue 'group_order_paid'/,
    );
  });
});

describe('a publisher that may not look after subscribers', () => {
  it.each(['ListQueueTags', 'GetQueueAttributes'])('publishes all the same, without %s', async (action) => {
    await subscribe(await open(), 'order.*');
    land.stub.on(action, () => refuse('AccessDeniedException', 400));
    await publish(await open(), 'order.placed');
    expect(land.stub.count('PublishBatch')).toBe(1);
  });
});
