import { describe, expect, it } from '@jest/globals';
import type { Subscription } from '@nest-messaging/core/contract';
import { destinationOf, eventsExchange, planSubscription, workQueue } from '../src/topology.js';

const owner = { namespace: 'shop', service: 'billing' };
const subscription = (more: Partial<Subscription> = {}): Subscription => ({
  source: { kind: 'topic', name: 'order.placed' },
  group: 'billing',
  ordered: false,
  broadcast: false,
  maxUnsettled: 10,
  ...more,
});
const quorum = { 'x-queue-type': 'quorum', 'x-delivery-limit': 2_147_483_647 };

describe('A subscription on the broker', () => {
  it('is a durable queue bound to the events, with one for its dead letters and one for its suspects', () => {
    const plan = planSubscription(owner, subscription(), {}, 'quorum');
    expect(plan).toMatchObject({
      queue: 'shop.billing.order.placed',
      dead: 'shop.billing.order.placed--dead',
      suspect: 'shop.billing.order.placed--suspect',
      turn: 'any',
    });
    expect(plan.resources).toEqual([
      { kind: 'exchange', name: 'shop', type: 'topic' },
      { kind: 'queue', name: 'shop.billing.order.placed', arguments: quorum },
      { kind: 'binding', from: 'shop', to: { queue: 'shop.billing.order.placed' }, key: 'order.placed' },
      { kind: 'queue', name: 'shop.billing.order.placed--dead', arguments: quorum },
      {
        kind: 'binding',
        from: 'shop.billing--return',
        to: { queue: 'shop.billing.order.placed' },
        key: 'shop.billing.order.placed',
      },
      { kind: 'queue', name: 'shop.billing.order.placed--suspect', arguments: quorum },
      {
        kind: 'binding',
        from: 'shop.billing--return',
        to: { queue: 'shop.billing.order.placed--suspect' },
        key: 'shop.billing.order.placed--suspect',
      },
    ]);
  });

  it('has no argument that an option of its handler could change', () => {
    const [few, many] = [1, 500].map((maxUnsettled) =>
      planSubscription(owner, subscription({ maxUnsettled }), {}, 'quorum'),
    );
    expect(few).toEqual(many);
  });

  it('has no namespace where there is none', () => {
    const plan = planSubscription({ service: 'billing' }, subscription(), {}, 'quorum');
    expect(plan.queue).toBe('billing.order.placed');
    expect(eventsExchange({})).toBe('events');
  });

  it('of ordered events has a queue of its own, with a single active consumer', () => {
    const plan = planSubscription(owner, subscription({ ordered: true }), {}, 'quorum');
    expect(plan).toMatchObject({ queue: 'shop.billing.order.placed--ordered', turn: 'broker' });
    expect(plan.dead).toBe('shop.billing.order.placed--dead');
    expect(plan.resources).toContainEqual({
      kind: 'queue',
      name: 'shop.billing.order.placed--ordered',
      arguments: { ...quorum, 'x-single-active-consumer': true },
    });
  });

  it('to a queue declares it as those do who send to it, ordered or not', () => {
    const source = { kind: 'queue', name: 'invoices' } as const;
    for (const ordered of [false, true]) {
      const plan = planSubscription(owner, subscription({ source, ordered }), {}, 'quorum');
      expect(plan.resources).toEqual(expect.arrayContaining(workQueue(owner, 'invoices', 'quorum')));
      expect(plan.turn).toBe(ordered ? 'consumers' : 'any');
    }
  });

  it('on classic queues has no suspects, since those do not count deliveries', () => {
    const plan = planSubscription(owner, subscription(), {}, 'classic');
    expect(plan.suspect).toBeUndefined();
    expect(JSON.stringify(plan.resources)).not.toContain('quorum');
  });

  it('to an exchange that is there binds its own queue to it, with the key given, or the topic', () => {
    const exchange = { name: 'legacy', type: 'topic' } as const;
    const binding = { kind: 'binding', from: 'legacy', to: { queue: 'shop.billing.order.placed' } };
    const plan = planSubscription(owner, subscription(), { exchange }, 'quorum');
    expect(plan.resources).toContainEqual({ kind: 'exchange', ...exchange, foreign: true });
    expect(plan.resources).toContainEqual({ ...binding, key: 'order.placed' });
    expect(
      planSubscription(owner, subscription(), { exchange, bind: 'a.#' }, 'quorum').resources,
    ).toContainEqual({
      ...binding,
      key: 'a.#',
    });
    expect(
      planSubscription(owner, subscription(), { exchange: { name: 'legacy', type: 'fanout' } }, 'quorum')
        .resources,
    ).toContainEqual({ ...binding, key: '' });
  });

  it('to a queue that is there declares and binds nothing of it', () => {
    const plan = planSubscription(owner, subscription(), { queue: 'legacy.work' }, 'quorum');
    expect(plan.queue).toBe('legacy.work');
    expect(plan.dead).toBe('shop.billing.order.placed--dead');
    const about = plan.resources.filter((resource) => JSON.stringify(resource).includes('legacy.work'));
    expect(about).toEqual([
      { kind: 'queue', name: 'legacy.work', foreign: true },
      // The way back for retried messages.
      { kind: 'binding', from: 'shop.billing--return', to: { queue: 'legacy.work' }, key: 'legacy.work' },
    ]);
  });

  it('that is a broadcast has no queue beforehand, and takes none that is there', () => {
    const plan = planSubscription(owner, subscription({ broadcast: true }), {}, 'quorum');
    expect(plan).toMatchObject({ queue: undefined, dead: undefined, suspect: undefined });
    expect(plan.source).toEqual({ exchange: 'shop', key: 'order.placed' });
    expect(() =>
      planSubscription(owner, subscription({ broadcast: true }), { queue: 'q' }, 'quorum'),
    ).toThrow(/broadcast has a queue of its own/);
  });
});

describe('The topic of a delivery', () => {
  it('is that of the subscription, or the routing key under a pattern, or what the message says', () => {
    expect(destinationOf({ kind: 'topic', name: 'a.b' }, 'whatever', undefined).name).toBe('a.b');
    expect(destinationOf({ kind: 'topic', name: 'a.*' }, 'a.b', 'x').name).toBe('a.b');
    expect(destinationOf({ kind: 'topic', name: 'a.*' }, '', 'a.c').name).toBe('a.c');
    expect(destinationOf({ kind: 'topic', name: 'a.*' }, '', '').name).toBe('a.*');
    expect(destinationOf({ kind: 'queue', name: 'q' }, 'shop.q', undefined)).toEqual({
      kind: 'queue',
      name: 'q',
    });
  });
});
