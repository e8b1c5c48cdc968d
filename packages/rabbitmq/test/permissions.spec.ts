import { describe, expect, it } from '@jest/globals';
import type { Management, Permissions } from '../src/management.js';
import { missingPermissions } from '../src/permissions.js';
import { needsOf, rightsOf } from '../src/rights.js';

const needs = {
  configure: new Set<string>(),
  write: new Set(['shop', 'amq.default']),
  read: new Set(['shop.billing.order--live-*']),
};

const found = (granted: Partial<Permissions> | undefined, needed = needs) => {
  const permissions = async () => granted && { configure: '', write: '', read: '', ...granted };
  return missingPermissions({ permissions } as unknown as Management, 'billing', needed);
};

describe('What a user of RabbitMQ lacks', () => {
  it('is nothing where the patterns match, anywhere in a name as RabbitMQ takes them', async () => {
    expect(await found({ write: 'shop|^amq\\.', read: '--live-' })).toMatchObject([{ level: 'fine' }]);
  });

  it('is nothing of the least rights', async () => {
    const owner = { namespace: 'shop', service: 'billing' };
    const source = { kind: 'topic', name: 'order.*' } as const;
    const subscription = { source, group: 'billing', ordered: true, maxUnsettled: 1 };
    const subscriptions = [true, false].map((broadcast) => ({ ...subscription, broadcast }));
    const publications = [{ destination: { kind: 'queue', name: 'invoices' } as const, ordered: false }];
    const usage = { subscriptions, publications, delays: true };
    for (const topology of ['create', 'validate', 'none'] as const) {
      const { granted } = rightsOf(owner, usage, 'quorum', topology, '/');
      const needed = needsOf(owner, usage, 'quorum', topology);
      expect(await found(granted as Permissions, needed as typeof needs)).toMatchObject([{ level: 'fine' }]);
    }
  });

  it('is what they do not match; an empty one permits nothing', async () => {
    expect(await found({ write: '^shop$', read: '' })).toMatchObject([
      { level: 'trouble', message: expect.stringContaining("'^shop$' to write, and not ^(amq\\.default)$") },
      { level: 'trouble', message: expect.stringContaining("'' to read, and not ^(shop\\.billing") },
    ]);
  });

  it('is not judged by a pattern that only RabbitMQ can read, or without any', async () => {
    expect(await found({ write: '(?i)SHOP', read: '.*' })).toMatchObject([{ level: 'notice' }]);
    expect(await found(undefined)).toMatchObject([{ level: 'notice' }]);
  });
});
