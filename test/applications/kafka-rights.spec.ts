import { afterAll, beforeAll, expect, it } from '@jest/globals';
import type { Broker, Finding, Topology } from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';
import { AclOperationTypes, AclPermissionTypes, AclResourceTypes, ResourcePatternTypes } from 'kafkajs';
import { startKafka } from '../../scripts/brokers/kafka.mjs';
import { describeHere } from '../support/describe-here.js';
import { administrate, kafkaDrivers, type KafkaDriver } from '../support/kafka.js';
import { doEverything, leaveLetter, operate, operatorsCommands, rightsOf, troubles } from './everything.js';

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
async function carryOut(commands: string): Promise<void> {
  for (const command of commands.split('\n')) {
    const [, , , , , , ...args] = command.replaceAll("'", '').split(' ');
    await acls('--add', ...us, ...args);
  }
}

/** In one request, as the broker's tool starts a JVM for each command. */
async function takeAllBack(): Promise<void> {
  const ours = {
    resourcePatternType: ResourcePatternTypes.ANY,
    principal: 'User:ANONYMOUS',
    operation: AclOperationTypes.ANY,
    permissionType: AclPermissionTypes.ALLOW,
  };
  const filters = [AclResourceTypes.TOPIC, AclResourceTypes.GROUP].map((resourceType) => ({
    ...ours,
    resourceType,
  }));
  const { filterResponses } = await administrate((admin) => admin.deleteAcls({ filters }), broker.url);
  for (const { errorMessage, matchingAcls } of filterResponses)
    expect({ errorMessage, found: matchingAcls.length > 0 }).toEqual({ errorMessage: null, found: true });
}

function needsNoMore({ name: driver }: KafkaDriver): void {
  const namespace = `rights-${driver}`;
  const at = (): Broker => kafka({ brokers: [broker.url], driver, partitions: 2, discovery: '200ms' });
  /** Looks until it finds that, as a broker obeys what was granted or taken away a little later. */
  const told = async (
    topology: Topology,
    expected: readonly (readonly [string, string])[],
  ): Promise<void> => {
    const look = async () => {
      const found = await troubles(namespace, topology, at());
      return found.map(({ about, message }) => [about, message.split(':')[0]]);
    };
    for (const end = Date.now() + 10_000; Date.now() < end;)
      if ((await look()).length === expected.length) break;
    expect(await look()).toEqual(expected);
  };
  const grant = async (topology: Topology): Promise<string> =>
    (await rightsOf(namespace, topology, at())).grant;

  it('with topology create', async () => {
    await carryOut(await grant('create'));
    await told('create', []);
    await doEverything(namespace, 'create', at());
    await told('create', []);
  }, 120_000);

  it('with topology validate, without the right to create', async () => {
    await takeAllBack();
    await carryOut(await grant('validate'));
    await told('validate', []);
    await doEverything(namespace, 'validate', at());
  }, 120_000);

  it('with topology none', async () => {
    await takeAllBack();
    await carryOut(await grant('none'));
    await doEverything(namespace, 'none', at());
  }, 120_000);

  it('and less is told to who looks, by operation and resource', async () => {
    const written = `${namespace}.order.placed`;
    const read = `${namespace}.billing.order.placed`;
    const rights = [
      [...operations('Write'), '--topic', written],
      [...operations('Read'), '--group', read],
    ];
    for (const right of rights) await acls('--remove', '--force', ...us, ...right);
    await told('none', [
      [`topic ${written}`, 'the user has no right to Write'],
      [`consumer group ${read}`, 'the user has no right to Read'],
    ]);
    for (const right of rights) await acls('--add', ...us, ...right);
    await told('none', []);
  }, 120_000);

  it('and so is what may not be created, with nothing made', async () => {
    const fresh = `fresh-${driver}`;
    await carryOut((await rightsOf(fresh, 'validate', at())).grant);
    const look = () => troubles(fresh, 'create', at());
    const refused = ({ message }: Finding): boolean => message.startsWith('the user may not create topic');
    for (const end = Date.now() + 10_000; Date.now() < end;) if ((await look()).every(refused)) break;
    const found = await look();
    expect(found.filter((one) => !refused(one))).toEqual([]);
    expect(found.map(({ about }) => about)).toContain(`topic ${fresh}.order.placed`);
  }, 120_000);

  it('for who operates dead letters with no application, as the page says', async () => {
    await leaveLetter(namespace, 'none', at());
    await takeAllBack();
    await carryOut(operatorsCommands('kafka.md', namespace));
    await operate(namespace, `kafka://${broker.url}?driver=${driver}`);
  }, 120_000);
}

for (const driver of kafkaDrivers)
  describeHere(`what is granted is enough, with ${driver.name}`, driver.missing, () => needsNoMore(driver));
