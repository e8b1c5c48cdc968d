import { describe, expect, it } from '@jest/globals';
import { matches } from '@nest-messaging/core/contract';
import { resolveOptions } from '../src/options.js';
import {
  delayNames,
  delayTopics,
  destinationTopic,
  eventOfTopic,
  matching,
  ownTopics,
  subscriptionNames,
  takesFrom,
  topicName,
  type Owner,
} from '../src/topology.js';

const owner = { namespace: 'shop', service: 'billing' };
const options = resolveOptions({
  brokers: ['host'],
  partitions: 6,
  replicas: 3,
  topicConfig: { 'retention.ms': '1000' },
});
const placed = { kind: 'topic', name: 'order.placed' } as const;
const invoices = { kind: 'queue', name: 'invoices' } as const;

describe('Names on the broker', () => {
  it('of an event and of a queue are two even where their names are one', () => {
    expect(topicName(owner, placed)).toBe('shop.order.placed');
    expect(topicName(owner, { kind: 'queue', name: 'order.placed' })).toBe('shop.order.placed--queue');
    expect(topicName({}, placed)).toBe('order.placed');
  });

  it('of a subscription are its consumer group and two topics that no pattern finds', () => {
    const names = subscriptionNames(owner, { source: placed, group: 'billing' });
    expect(names).toEqual({
      group: 'shop.billing.order.placed',
      retry: 'shop.billing.order.placed--retry',
      dead: 'shop.billing.order.placed--dead',
    });
    expect(eventOfTopic(owner, names.retry)).toBeUndefined();
    expect(eventOfTopic(owner, names.dead)).toBeUndefined();
  });

  it('of a queue are one for all its workers, whatever their service', () => {
    const [one, other] = ['billing', 'mail'].map((group) =>
      subscriptionNames({ namespace: 'shop' }, { source: invoices, group }),
    );
    expect(one).toEqual(other);
    expect(one).toEqual({
      group: 'shop.invoices--queue',
      retry: 'shop.invoices--queue--retry',
      dead: 'shop.invoices--queue--dead',
    });
  });

  it('tell whether a subscription may have taken a message from there', () => {
    const from = (name: string, topic: string): boolean =>
      takesFrom(owner, { source: { kind: 'topic', name }, group: 'billing' }, topic);
    expect(from('order.placed', 'shop.order.placed')).toBe(true);
    expect(from('order.placed', 'shop.billing.order.placed--retry')).toBe(true);
    expect(from('order.placed', 'shop.order.paid')).toBe(false);
    expect(from('order.placed', 'shop.mail.order.placed--retry')).toBe(false);
    expect(from('order.placed', 'order.placed')).toBe(false);
    expect(from('order.*', 'shop.order.paid')).toBe(true);
    expect(from('order.*', 'shop.cart.left')).toBe(false);
    expect(from('#', 'shop.invoices--queue')).toBe(false);
    expect(takesFrom(owner, { source: invoices, group: 'billing' }, 'shop.invoices--queue')).toBe(true);
    expect(takesFrom(owner, { source: invoices, group: 'billing' }, 'shop.invoices')).toBe(false);
  });

  it('spell wildcards with what Kafka allows, so that each pattern has names of its own', () => {
    const sources = ['order.*', 'order.#', '*.placed', '#', '*', 'order.placed', 'order.*.*'];
    const groups = sources.map(
      (name) => subscriptionNames(owner, { source: { kind: 'topic', name }, group: 'billing' }).group,
    );
    expect(groups.slice(0, 2)).toEqual(['shop.billing.order.--one', 'shop.billing.order.--all']);
    expect(new Set(groups).size).toBe(sources.length);
    for (const group of groups) expect(group).toMatch(/^[A-Za-z0-9._-]+$/);
  });

  it('of what waits belong to a service or group, a topic a level', () => {
    expect(delayNames(owner, 'billing')).toEqual({
      group: 'shop.billing--delay',
      levels: Array.from({ length: 8 }, (_, level) => `shop.billing--delay-${level}`),
    });
  });

  it('are within what every broker takes, or refused', () => {
    const name = 'a'.repeat(50);
    expect(() => topicName(owner, { kind: 'topic', name: 'b'.repeat(90) })).toThrow(/at most/);
    expect(() =>
      subscriptionNames(owner, { source: { kind: 'topic', name }, group: 'c'.repeat(20) }),
    ).toThrow(expect.objectContaining({ code: 'CONFIGURATION' }));
  });
});

describe('The event of a topic', () => {
  it.each<Owner>([owner, { service: 'billing' }])('is the one whose topic it is, in %j', (of) => {
    for (const name of ['a', 'order.placed', 'a_b.c-d', 'shop.a', 'queue'])
      expect(eventOfTopic(of, topicName(of, { kind: 'topic', name }))).toBe(name);
  });

  it('is none for queues, other namespaces, the module’s own topics and the broker’s', () => {
    for (const topic of [
      topicName(owner, invoices),
      'store.order.placed',
      'shop',
      'shopping.order',
      ...delayNames(owner, 'billing').levels,
    ])
      expect(eventOfTopic(owner, topic)).toBeUndefined();
    expect(eventOfTopic({}, '__consumer_offsets')).toBeUndefined();
    expect(eventOfTopic(owner, 'shop.')).toBeUndefined();
  });

  it('decides which topics a pattern reads', () => {
    const topics = [
      'shop.order.placed',
      'shop.order.cancelled',
      'shop.order.item.added',
      'shop.order.placed--queue',
      'shop.billing.order.--one--retry',
      'store.order.placed',
      '__transaction_state',
    ];
    expect(matching(owner, (event) => matches('order.*', event), topics)).toEqual([
      'shop.order.cancelled',
      'shop.order.placed',
    ]);
    expect(matching(owner, (event) => matches('#', event), topics)).toHaveLength(3);
  });
});

describe('What the module creates', () => {
  it('for an event follows what the team chose, and for a queue keeps work until it is done', () => {
    expect(destinationTopic(owner, placed, options)).toEqual({
      name: 'shop.order.placed',
      partitions: 6,
      replicas: 3,
      config: { 'retention.ms': '1000' },
    });
    expect(destinationTopic(owner, invoices, options)).toMatchObject({
      partitions: 6,
      config: { 'retention.ms': '-1', 'retention.bytes': '-1', 'cleanup.policy': 'delete' },
    });
  });

  it('for copies has room for their headers, and loses none with time', () => {
    for (const { config } of ownTopics(subscriptionNames(owner, { source: placed, group: 'g' }), options)) {
      expect(config).toMatchObject({ 'retention.ms': '-1' });
      expect(Number(config['max.message.bytes'])).toBeGreaterThan(options.maxBodySize + 1_000_000);
    }
  });

  it('for delays has one partition, since its order is that in which it is due, and is kept a week beyond', () => {
    const topics = delayTopics(delayNames(owner, 'billing'), options);
    expect(topics).toHaveLength(8);
    const week = 7 * 24 * 60 * 60 * 1_000;
    for (const { partitions, config } of topics) {
      expect(partitions).toBe(1);
      expect(Number(config['retention.ms'])).toBeGreaterThan(week);
    }
  });
});
