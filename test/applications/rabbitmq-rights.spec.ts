import { afterAll, beforeAll, describe, it } from '@jest/globals';
import type { Topology } from '@nest-messaging/core';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { startRabbitmq } from '../../scripts/brokers/rabbitmq.mjs';
import { doEverything, leaveLetter, operate, operatorsCommands, rightsOf } from './everything.js';

/** The rights that an application is said to need are enough for all that it does. */

let broker: Awaited<ReturnType<typeof startRabbitmq>>;
const namespace = 'rights';

beforeAll(async () => {
  broker = await startRabbitmq();
  for (const user of ['billing', 'operator']) await broker.control('add_user', user, 's3cret');
}, 120_000);

afterAll(() => broker?.remove());

const urlOf = (user: string): string => `amqp://${user}:s3cret@${new URL(broker.url).host}`;
const at = () => rabbitmq({ url: urlOf('billing') });

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

  it('for who operates dead letters with no application, as the page says', async () => {
    await leaveLetter(namespace, 'none', at());
    const [, ...args] = operatorsCommands('rabbitmq.md', namespace).replaceAll("'", '').split(' ');
    await broker.control(...args);
    await operate(namespace, urlOf('operator'));
  }, 120_000);
});
