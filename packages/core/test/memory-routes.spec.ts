import { describe, expect, it } from '@jest/globals';
import { createRoutes } from '../src/memory/routes.js';
import type { SubscriptionQueue } from '../src/memory/subscription-queue.js';

const queue = (name: string, group = 'g', kind: 'topic' | 'queue' = 'topic'): SubscriptionQueue =>
  ({ id: { source: { kind, name }, group } }) as SubscriptionQueue;

describe('a topic', () => {
  const [placed, audit, orders, all, tasks] = [
    queue('order.placed'),
    queue('order.placed', 'audit'),
    queue('order.*'),
    queue('#'),
    queue('order.placed', '', 'queue'),
  ];

  it('goes to the subscriptions of its name, and of the patterns that it falls under', () => {
    const routes = createRoutes([all, placed, orders, audit, tasks]);
    expect(new Set(routes('order.placed'))).toEqual(new Set([placed, audit, orders, all]));
    expect(new Set(routes('order.cancelled'))).toEqual(new Set([orders, all]));
    expect(routes('invoice')).toEqual([all]);
    expect(createRoutes([placed, audit])('order.placed')).toEqual([placed, audit]);
    expect(createRoutes([placed, tasks])('invoice')).toEqual([]);
  });

  it('goes to the same ones the next time, however many were published to in between', () => {
    const routes = createRoutes([orders, placed]);
    for (let round = 0; round < 2; round += 1)
      for (let at = 0; at < 12_000; at += 1) expect(routes(`order.${at}`)).toEqual([orders]);
    expect(routes('order.placed')).toEqual([placed, orders]);
  });
});
