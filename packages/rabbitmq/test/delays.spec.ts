import { describe, expect, it } from '@jest/globals';
import {
  delayEnds,
  delayExchange,
  delayLevel,
  delayRoute,
  delays,
  LEVELS,
  MAX_DELAY,
} from '../src/delays.js';
import type { Resource } from '../src/topology.js';

const owner = { namespace: 'shop', service: 'orders' };

/** Routes as the broker does, by the declared bindings alone: where a message ends, and how long it waited. */
function follow(
  resources: readonly Resource[],
  exchange: string,
  headers: Readonly<Record<string, unknown>>,
): { waited: number; hops: number; ends: string[] } {
  const matching = resources.filter(
    (resource) =>
      resource.kind === 'binding' &&
      resource.from === exchange &&
      Object.entries(resource.arguments ?? {}).every(
        ([name, value]) => name === 'x-match' || headers[name] === value,
      ),
  );
  const ends: string[] = [];
  let waited = 0;
  let hops = 0;
  for (const binding of matching) {
    if (binding.kind !== 'binding') continue;
    if ('exchange' in binding.to) {
      const next = follow(resources, binding.to.exchange, headers);
      waited += next.waited;
      hops += next.hops;
      ends.push(...(next.ends.length > 0 ? next.ends : [binding.to.exchange]));
      continue;
    }
    const { queue } = binding.to;
    const declared = resources.find(
      ({ kind, ...rest }) => kind === 'queue' && (rest as { name: string }).name === queue,
    );
    const { 'x-message-ttl': ttl, 'x-dead-letter-exchange': below } = (
      declared as unknown as { arguments: Record<string, never> }
    ).arguments;
    if (ttl === undefined) {
      ends.push(queue);
      continue;
    }
    const next = follow(resources, below!, headers);
    waited += ttl + next.waited;
    hops += 1 + next.hops;
    ends.push(...next.ends);
  }
  return { waited, hops, ends };
}

describe('Delays', () => {
  const all = delays(owner, LEVELS - 1);
  const samples = [
    1,
    99,
    100,
    101,
    250,
    999,
    1_000,
    1_234,
    5_000,
    59_999,
    60_000,
    300_000,
    3_600_000,
    86_400_000,
    123_456_789,
    MAX_DELAY - 1,
    MAX_DELAY,
  ];

  it.each(samples)(
    '%d ms leads through levels that together wait no less, and no more than a little',
    (ms) => {
      for (const via of ['topic', 'queue'] as const) {
        const { top, headers } = delayRoute(ms, via);
        const { waited, hops, ends } = follow(all, delayExchange(owner, top), headers);
        expect(waited).toBeGreaterThanOrEqual(ms);
        expect(waited - ms).toBeLessThanOrEqual(Math.max(100, ms * 0.01));
        expect(hops).toBeLessThanOrEqual(8);
        expect(ends.sort()).toEqual(
          via === 'topic' ? ['shop', 'shop.orders--sink'] : ['shop.orders--return'],
        );
      }
    },
  );

  it('need no level above their highest', () => {
    for (const ms of samples) {
      const { top, headers } = delayRoute(ms, 'topic');
      expect(top).toBeLessThan(LEVELS);
      const { ends } = follow(delays(owner, top), delayExchange(owner, top), headers);
      expect(ends).toHaveLength(2);
    }
  });

  it('are declared from their end to their beginning, so that nothing enters what leads nowhere', () => {
    const known = new Set<string>();
    for (const resource of all) {
      if (resource.kind !== 'binding') {
        known.add(`${resource.kind} ${resource.name}`);
        continue;
      }
      expect(known).toContain(`exchange ${resource.from}`);
      expect(known).toContain(
        'queue' in resource.to ? `queue ${resource.to.queue}` : `exchange ${resource.to.exchange}`,
      );
    }
  });

  it('keep a message until the next queue has confirmed it', () => {
    const queues = Array.from({ length: LEVELS }, (_, level) => delayLevel(owner, level)).flatMap((level) =>
      level.filter(({ kind }) => kind === 'queue'),
    );
    expect(queues).toHaveLength(LEVELS);
    for (const queue of queues)
      expect(queue).toMatchObject({
        arguments: {
          'x-queue-type': 'quorum',
          'x-delivery-limit': 2_147_483_647,
          'x-dead-letter-strategy': 'at-least-once',
          'x-overflow': 'reject-publish',
        },
      });
  });

  it('keep retried messages whose queue is gone', () => {
    expect(delayEnds(owner)).toContainEqual({
      kind: 'exchange',
      name: 'shop.orders--return',
      type: 'direct',
      arguments: { 'alternate-exchange': 'shop.orders--strays' },
    });
  });
});
