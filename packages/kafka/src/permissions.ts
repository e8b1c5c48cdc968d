import type { Finding } from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import type { Client, Operation } from './driver/driver.js';
import { found } from './finding.js';
import type { Acl } from './rights.js';

/** What the user may do, by the resources that are asked about. */
export interface Permissions {
  readonly topics: ReadonlyMap<string, readonly Operation[]>;
  readonly groups: ReadonlyMap<string, readonly Operation[]>;
}

/**
 * Of these topics, and of all that is needed by its name.
 * @throws {DriverError} if Kafka cannot be asked
 */
export async function permissions(
  client: Client,
  names: readonly string[],
  needed: readonly Acl[],
): Promise<Permissions> {
  const literal = (resource: Acl['resource']): readonly string[] =>
    needed.filter((acl) => acl.resource === resource && acl.pattern === 'literal').map(({ name }) => name);
  const topics = [...new Set([...names, ...literal('topic')])];
  const [ofTopics, ofGroups] = await Promise.all([
    client.topicOperations(topics),
    askForEach(literal('group'), async (group) => [group, await client.groupOperations(group)] as const),
  ]);
  return { topics: ofTopics, groups: new Map(ofGroups) };
}

/** Whether the user may see it at all. */
export const isSeen = (permitted: Permissions['topics'], name: string): boolean =>
  permitted.get(name)?.includes('Describe') ?? false;

const KINDS = { topic: 'topic', group: 'consumer group' } as const;

/** What is needed and may not be done. Whether a topic may be created is asked where one is missing. */
export function missingRights(needed: readonly Acl[], { topics, groups }: Permissions): Finding[] {
  const missing = new Map<string, Set<Operation>>();
  for (const { resource, name, pattern, operations } of needed) {
    const permitted = resource === 'topic' ? topics : groups;
    const meant =
      pattern === 'literal' ? [name] : [...permitted.keys()].filter((one) => one.startsWith(name));
    for (const one of meant) {
      const may = permitted.get(one) ?? [];
      const about = `${KINDS[resource]} ${one}`;
      for (const operation of operations)
        if (operation !== 'Create' && !may.includes(operation))
          missing.set(about, (missing.get(about) ?? new Set()).add(operation));
    }
  }
  return [...missing].map(([about, operations]) => findingOf(about, [...operations]));
}

const findingOf = (about: string, operations: readonly Operation[]): Finding =>
  operations.every((operation) => operation === 'Delete')
    ? found(
        'notice',
        about,
        'the user has no right to Delete: what is done with stays, with a warning, and the topic grows',
      )
    : found(
        'trouble',
        about,
        `the user has no right to ${operations.join(', ')}: grant it, see nest-messaging topology --rights`,
      );
