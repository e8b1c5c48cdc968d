import {
  isPattern,
  type Destination,
  type Rights,
  type Topology,
  type Usage,
} from '@nest-messaging/core/contract';
import type { Operation } from './driver/driver.js';
import { delayNames, subscriptionNames, topicName, type Owner } from './topology.js';

/** What a user may do with one resource, or with all that begin with its name. */
export interface Acl {
  readonly resource: 'topic' | 'group';
  readonly name: string;
  readonly pattern: 'literal' | 'prefixed';
  /** By Kafka's own names; `Read`, `Write` and `Delete` include `Describe`. */
  readonly operations: readonly Operation[];
}

/** Which topics those are that a pattern stands for. */
export type Meaning = (pattern: Destination) => readonly Pick<Acl, 'name' | 'pattern'>[];

/** What may not be seen is not found: all that begins as the pattern does, or else all there is. */
const beginning =
  (owner: Owner): Meaning =>
  (pattern) => {
    const topic = topicName(owner, pattern);
    const prefix = topic.slice(0, topic.search(/[*#]/));
    return [prefix ? { name: prefix, pattern: 'prefixed' } : { name: '*', pattern: 'literal' }];
  };

/** The least that a user needs, with the commands that grant it. */
export function rightsOf(owner: Owner, usage: Usage, topology: Topology, broker: string): Rights {
  const granted = neededOf(owner, usage, topology, beginning(owner));
  return { granted, grant: commandsFor(granted, broker) };
}

/**
 * What a user does with each resource.
 * @see https://kafka.apache.org/documentation/#operations_resources_and_protocols
 */
export function neededOf(
  owner: Owner,
  { subscriptions, publications, delays }: Usage,
  topology: Topology,
  meaning: Meaning,
): readonly Acl[] {
  const acls = new Map<string, Acl & { readonly operations: Operation[] }>();
  const allow = (
    resource: Acl['resource'],
    name: string,
    operations: readonly Operation[],
    pattern: Acl['pattern'] = 'literal',
  ): void => {
    const key = `${resource} ${pattern} ${name}`;
    const acl = acls.get(key) ?? { resource, name, pattern, operations: [] };
    acls.set(key, acl);
    for (const operation of operations)
      if (!acl.operations.includes(operation)) acl.operations.push(operation);
  };
  const made: readonly Operation[] = topology === 'create' ? ['Create'] : [];

  // Each process looks whether something of its service waits.
  allow('topic', delayNames(owner, owner.service).group, ['Describe'], 'prefixed');
  const waits = (waiter: string): void => {
    const { group } = delayNames(owner, waiter);
    allow('topic', group, ['Read', 'Write', ...made], 'prefixed');
    allow('group', group, ['Read']);
  };

  for (const { destination } of publications)
    allow('topic', topicName(owner, destination), ['Write', ...made]);
  if (delays) waits(owner.service);

  for (const subscription of subscriptions) {
    const { source, group, broadcast } = subscription;
    const topic = topicName(owner, source);
    if (isPattern(source.name))
      for (const { name, pattern } of meaning(source)) allow('topic', name, ['Read'], pattern);
    else allow('topic', topic, ['Read', ...made]);
    if (broadcast) continue;
    const names = subscriptionNames(owner, subscription);
    // What every worker has done is deleted; without the right it stays, with a warning.
    if (source.kind === 'queue') allow('topic', topic, ['Delete']);
    // As is what was redriven or purged, which would lie there for ever: this topic has no retention.
    for (const own of [names.retry, names.dead]) allow('topic', own, ['Read', 'Write', 'Delete', ...made]);
    allow('group', names.group, ['Read']);
    waits(group);
  }

  return [...acls.values()];
}

/** One command for all that are granted alike. */
function commandsFor(granted: readonly Acl[], broker: string): string {
  const alike = new Map<string, Acl[]>();
  for (const acl of granted) {
    const key = `${acl.resource} ${acl.pattern} ${acl.operations.join()}`;
    alike.set(key, [...(alike.get(key) ?? []), acl]);
  }
  return [...alike.values()]
    .map((acls) => {
      const { resource, pattern, operations } = acls[0]!;
      return [
        `kafka-acls --bootstrap-server ${broker} --add --allow-principal User:USER`,
        ...operations.map((operation) => `--operation ${operation}`),
        ...acls.map(({ name }) => `--${resource} '${name}'`),
        `--resource-pattern-type ${pattern}`,
      ].join(' ');
    })
    .join('\n');
}
