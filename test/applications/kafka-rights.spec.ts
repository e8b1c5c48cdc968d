import { afterAll, beforeAll, it } from '@jest/globals';
import type { Broker, Topology } from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';
import { startKafka } from '../../scripts/brokers/kafka.mjs';
import { describeHere } from '../support/describe-here.js';
import { kafkaDrivers, type KafkaDriver } from '../support/kafka.js';
import { doEverything, leaveLetter, operate, operatorsCommands, rightsOf } from './everything.js';

/** The rights that an application is said to need are enough for all that it does. */

let broker: Awaited<ReturnType<typeof startKafka>>;

const acls = (...args: string[]): Promise<string> => broker.control('kafka-acls', ...args);
const operations = (...names: string[]): string[] => names.flatMap((name) => ['--operation', name]);
// Without a login everybody is this one.
const us = ['--allow-principal', 'User:ANONYMOUS'];

beforeAll(async () => {
  broker = await startKafka({
    config: [
      'authorizer.class.name=org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Until there is one for everything, so that there can be a first one.
      'allow.everyone.if.no.acl.found=true',
    ].join('\n'),
  });
  // What the node itself does, and this test with its rights.
  await acls('--add', ...us, ...operations('ClusterAction', 'Alter', 'Describe'), '--cluster');
  await acls('--add', ...us, ...operations('Create'), '--topic', '__consumer_offsets');
  // From then on nobody may do what is not granted.
  await acls('--add', '--allow-principal', 'User:nobody', '--topic', '*', '--group', '*');
}, 120_000);

afterAll(() => broker?.remove());

/** Carries out the commands that a person would paste. */
async function carryOut(commands: string, how: readonly string[]): Promise<void> {
  for (const command of commands.split('\n')) {
    const [, , , , , , ...args] = command.replaceAll("'", '').split(' ');
    await acls(...how, ...us, ...args);
  }
}

function needsNoMore({ name: driver }: KafkaDriver): void {
  const namespace = `rights-${driver}`;
  const at = (): Broker => kafka({ brokers: [broker.url], driver, partitions: 2, discovery: '200ms' });
  const grant = async (topology: Topology): Promise<string> =>
    (await rightsOf(namespace, topology, at())).grant;

  it('with topology create', async () => {
    await carryOut(await grant('create'), ['--add']);
    await doEverything(namespace, 'create', at());
  }, 120_000);

  it('with topology validate, without the right to create', async () => {
    await carryOut(await grant('create'), ['--remove', '--force']);
    await carryOut(await grant('validate'), ['--add']);
    await doEverything(namespace, 'validate', at());
  }, 120_000);

  it('with topology none', async () => {
    await carryOut(await grant('validate'), ['--remove', '--force']);
    await carryOut(await grant('none'), ['--add']);
    await doEverything(namespace, 'none', at());
  }, 120_000);

  it('for who operates dead letters with no application, as the page says', async () => {
    await leaveLetter(namespace, 'none', at());
    await carryOut(await grant('none'), ['--remove', '--force']);
    await carryOut(operatorsCommands('kafka.md', namespace), ['--add']);
    await operate(namespace, `kafka://${broker.url}?driver=${driver}`);
  }, 120_000);
}

for (const driver of kafkaDrivers)
  describeHere(`what is granted is enough, with ${driver.name}`, driver.missing, () => needsNoMore(driver));
