import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Topology } from '@nest-messaging/core';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { startRabbitmq } from '../../scripts/brokers/rabbitmq.mjs';
import { doEverything, rightsOf } from './everything.js';

/** The rights that an application is said to need are enough for all that it does. */

let broker: Awaited<ReturnType<typeof startRabbitmq>>;
const namespace = 'rights';

beforeAll(async () => {
  broker = await startRabbitmq();
  await broker.control('add_user', 'billing', 's3cret');
}, 120_000);

afterAll(() => broker?.remove());

const at = () => rabbitmq({ url: `amqp://billing:s3cret@${new URL(broker.url).host}` });

async function grant(topology: Topology): Promise<void> {
  const { granted } = await rightsOf(namespace, topology, at());
  const { configure, write, read } = granted as Record<'configure' | 'write' | 'read', string>;
  await broker.control('set_permissions', 'billing', configure, write, read);
}

describe('what is granted is enough', () => {
  // The first makes what the others use.
  for (const topology of ['create', 'validate', 'none'] as const)
    it(`with topology ${topology}`, async () => {
      await grant(topology);
      await doEverything(namespace, topology, at());
    }, 120_000);
});
