import { describe, expect, it } from '@jest/globals';
import type { SubscriptionId } from '@nest-messaging/core/contract';
import {
  delayName,
  eventOfTopic,
  livePrefix,
  queueName,
  subscriptionNames,
  subscriptionOfQueue,
  topicName,
  topicsOf,
} from '../src/names.js';

const owner = { namespace: 'shop', service: 'billing' };
const topic = (name: string, group = 'billing'): SubscriptionId => ({
  group,
  source: { kind: 'topic', name },
});

describe('names on AWS', () => {
  it('write a dot as _, and _ as --_', () => {
    expect(topicName(owner, 'order.placed', false)).toBe('shop_order_placed');
    expect(topicName(owner, 'order_placed.late', false)).toBe('shop_order--_placed_late');
    expect(topicName({}, 'order.placed', true)).toBe('order_placed.fifo');
    expect(queueName(owner, 'invoices', true)).toBe('shop_invoices.fifo');
    expect(subscriptionNames(owner, topic('order.placed'), false)).toEqual({
      queue: 'shop_billing_order_placed',
      dead: 'shop_billing_order_placed--dead',
    });
    expect(subscriptionNames(owner, topic('order.*.#'), true)).toEqual({
      queue: 'shop_billing_order_--one_--all.fifo',
      dead: 'shop_billing_order_--one_--all--dead',
    });
    expect(delayName(owner)).toBe('shop_billing--delay');
    expect(livePrefix(owner, topic('cache.cleared'))).toBe('shop_billing_cache_cleared--live-');
  });

  it.each(['order', 'order.placed', 'order_placed', 'a-_b', 'a_-b.c', '_', 'a.-', '-.a', 'a-.b'])(
    'can be read back: %s',
    (event) => {
      for (const ordered of [false, true]) {
        expect(eventOfTopic(owner, topicName(owner, event, ordered))).toBe(event);
        const { queue } = subscriptionNames(owner, topic(event, 'my_group'), ordered);
        expect(subscriptionOfQueue(owner, queue)).toEqual(topic(event, 'my_group'));
      }
    },
  );

  it.each(['*', '#', 'order.*', '*.placed', 'order.#.a_b', '*.#'])('so can patterns: %s', (pattern) => {
    const { queue } = subscriptionNames(owner, topic(pattern), false);
    expect(subscriptionOfQueue(owner, queue)).toEqual(topic(pattern));
  });

  it('say nothing of what belongs to others, or to the module alone', () => {
    expect(eventOfTopic(owner, 'store_order_placed')).toBeUndefined();
    expect(eventOfTopic(owner, 'shop_')).toBeUndefined();
    expect(eventOfTopic(owner, 'shop_billing_--one')).toBeUndefined();
    expect(subscriptionOfQueue(owner, 'shop_billing_order_placed--dead')).toBeUndefined();
    expect(subscriptionOfQueue(owner, 'shop_billing--delay')).toBeUndefined();
    expect(subscriptionOfQueue(owner, 'shop_invoices')).toBeUndefined();
  });

  it('are refused where they come out longer than AWS takes', () => {
    const long = `${'a_'.repeat(16)}b`;
    expect(() => subscriptionNames(owner, topic(long), false)).toThrow(/becomes queue .* at most 80/);
    expect(topicName(owner, long, false)).toHaveLength(70);
    // A process adds eight characters of its own.
    const fits = topic('a_'.repeat(14));
    expect(subscriptionNames(owner, fits, false).dead).toHaveLength(75);
    expect(() => livePrefix(owner, fits)).toThrow(/becomes queue .* at most 80/);
  });

  it('tell which topics a queue may get messages from', () => {
    expect(topicsOf(owner, 'order.placed', true)).toEqual(['shop_order_placed.fifo']);
    expect(topicsOf(owner, 'order.placed', false)).toEqual(['shop_order_placed', 'shop_order_placed.fifo']);
    expect(topicsOf(owner, 'order.*', false)[0]).toBe('shop_order_*');
    expect(topicsOf(owner, 'order.#', false)[0]).toBe('shop_order*');
    expect(topicsOf(owner, '#.placed', false)[0]).toBe('shop_*placed');
    expect(topicsOf(owner, 'a_b.#.c', false)[0]).toBe('shop_a--_b*c');
    expect(topicsOf(owner, 'a.#.#.#.c', false)[0]).toBe('shop_a*c');
  });
});
