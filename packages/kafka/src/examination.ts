import { matches as covers, type Finding, type Topology, type Usage } from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import { brokerVersion } from './broker-version.js';
import type { Client, NewTopic } from './driver/driver.js';
import { driverError, topologyError } from './errors.js';
import { found } from './finding.js';
import type { ResolvedOptions } from './options.js';
import { isSeen, missingRights, permissions } from './permissions.js';
import { RETENTION, deletesMore } from './retention.js';
import { neededOf, type Meaning } from './rights.js';
import {
  delayNames,
  delayTopics,
  destinationTopic,
  eventOfTopic,
  matching,
  subscriptionNames,
  subscriptionTopics,
  type Owner,
  type SubscriptionNames,
} from './topology.js';

export interface ExaminationParts {
  readonly owner: Owner;
  readonly options: ResolvedOptions;
  readonly topology: Topology;
  readonly client: Client;
}

/** A topic as it was found. */
interface Looked {
  /** How many; undefined of one that does not exist. */
  readonly partitions: number | undefined;
  /** What is delayed waits there. */
  readonly isLevel: boolean;
  /** Nothing but the module's messages wait there; an event's topic is a team's own. */
  readonly isOwn: boolean;
  /** Undefined where the user may not see them. */
  readonly settings: Readonly<Record<string, string>> | undefined;
}

/** Of what the module needs alone: how many partitions and which settings an event has is a team's own choice. */
function topicFinding(
  topic: NewTopic,
  { partitions, isLevel, isOwn, settings }: Looked,
  topology: Topology,
): Finding {
  const { name } = topic;
  const about = `topic ${name}`;
  if (partitions === undefined)
    return topology === 'create'
      ? found('notice', about, 'is not there yet: the application makes it when it starts, or first needs it')
      : found('trouble', about, "does not exist: create it, or let the module do so with topology 'create'");
  if (isLevel && partitions > 1)
    return found(
      'trouble',
      about,
      `has ${partitions} partitions, expected 1: in several, what waits is not in the order in which it is due; delete it once it is empty`,
    );
  const is = `is there, with ${partitions} partitions`;
  if (!isOwn) return found('fine', about, is);
  if (settings === undefined)
    return found('fine', about, `${is}; its settings are seen only with the right to DescribeConfigs`);
  const worse = deletesMore(topic, settings);
  return worse.length > 0
    ? found('trouble', about, `has ${worse.join(' and ')}: Kafka deletes what still waits; set it so`)
    : found('fine', about, is);
}

async function groupFindings(
  { client }: ExaminationParts,
  { group, retry, dead }: SubscriptionNames,
): Promise<Finding[]> {
  const about = `consumer group ${group}`;
  const members = await client.members(group);
  const committed = await client.committed(group, [retry]);
  const letters = await countOf(client, dead);
  return [
    committed.length === 0
      ? found('notice', about, 'has never run: it begins with what is published when it does')
      : members === 0
        ? found('notice', about, 'has no member: nobody handles its messages')
        : found('fine', about, `has ${members} members`),
    ...(letters > 0
      ? [
          found(
            'notice',
            `topic ${dead}`,
            `holds ${letters} records: dead letters, and notes of what became of them`,
          ),
        ]
      : []),
  ];
}

async function countOf(client: Client, topic: string): Promise<number> {
  const [first, end] = await Promise.all([
    client.offsets(topic, 'earliest'),
    client.offsets(topic, 'latest'),
  ]);
  return end.reduce((sum, offset, partition) => sum + offset - (first[partition] ?? 0), 0);
}

/** Each subscription has a topic for its retries: by it those are seen that no handler here has. */
async function orphans(
  { owner, client }: ExaminationParts,
  topics: readonly string[],
  planned: ReadonlySet<string>,
): Promise<Finding[]> {
  const any = subscriptionNames(owner, { source: { kind: 'queue', name: 'any' }, group: 'any' });
  const suffix = any.retry.slice(any.group.length);
  const { namespace } = owner;
  const groups = topics
    .filter((topic) => topic.endsWith(suffix) && !planned.has(topic))
    .filter((topic) => namespace === undefined || topic.startsWith(`${namespace}.`))
    .map((topic) => topic.slice(0, -suffix.length));
  const members = await askForEach(groups, (group) => membersOf(client, group));
  return groups
    .filter((_, at) => members[at] === 0)
    .map((group) =>
      found(
        'notice',
        `consumer group ${group}`,
        "has no member, and no handler here has it. If it is nobody's, delete the group and its topics",
      ),
    );
}

/** By their names. */
const neededTopics = (
  { owner, options }: ExaminationParts,
  { subscriptions, publications, delays }: Usage,
): ReadonlyMap<string, NewTopic> =>
  new Map(
    [
      ...subscriptions.flatMap((subscription) => subscriptionTopics(owner, subscription, options).all),
      ...publications.map(({ destination }) => destinationTopic(owner, destination, options)),
      ...(delays ? delayTopics(delayNames(owner, owner.service), options) : []),
    ].map((topic) => [topic.name, topic]),
  );

/** A pattern stands for those topics that are there. */
const amongThese =
  (owner: Owner, topics: readonly string[]): Meaning =>
  ({ name }) =>
    matching(owner, (event) => covers(name, event), topics).map((topic) => ({
      name: topic,
      pattern: 'literal',
    }));

/** @throws {DriverError} if Kafka cannot be asked */
export async function examine(parts: ExaminationParts, usage: Usage): Promise<readonly Finding[]> {
  const { owner, topology, client } = parts;
  const { subscriptions } = usage;
  const needed = neededTopics(parts, usage);
  const names = [...needed.keys()];
  const [spoken, all] = await Promise.all([client.versions(), client.topics()]);
  const rights = neededOf(owner, usage, topology, amongThese(owner, all));
  const permitted = await permissions(client, names, rights);
  const seen = names.filter((name) => isSeen(permitted.topics, name));
  const leaders = await client.leaders(seen);
  const levels = new Set(
    [owner.service, ...subscriptions.map(({ group }) => group)].flatMap(
      (waiter) => delayNames(owner, waiter).levels,
    ),
  );
  const own = seen.filter((name) => eventOfTopic(owner, name) === undefined);
  const settings = await client.settings(own, RETENTION);
  const missing = seen.filter((name) => !leaders.has(name)).map((name) => needed.get(name)!);
  const refused = topology === 'create' ? await refusals(client, missing) : new Map<string, Finding>();
  const findings = [
    brokerVersion(spoken),
    ...missingRights(rights, permitted),
    ...seen.map((name) => {
      const looked = {
        partitions: leaders.get(name)?.length,
        isLevel: levels.has(name),
        isOwn: own.includes(name),
        settings: settings.get(name),
      };
      return refused.get(name) ?? topicFinding(needed.get(name)!, looked, topology);
    }),
  ];
  for (const [topic, nodes] of leaders)
    if (nodes.includes(-1))
      findings.push(
        found('trouble', `topic ${topic}`, 'has partitions without a leader: nobody can use them now'),
      );
  const kept = subscriptions
    .filter(({ broadcast }) => !broadcast)
    .map((subscription) => subscriptionNames(owner, subscription))
    .filter(({ group }) => permitted.groups.get(group)?.includes('Describe'))
    .filter(({ retry, dead }) => leaders.has(retry) && leaders.has(dead));
  const groups = await askForEach(kept, (names) => groupFindings(parts, names));
  return [...findings, ...groups.flat(), ...(await orphans(parts, all, new Set(names)))];
}

/** Of those that the application would make, and Kafka refuses. */
async function refusals(client: Client, topics: readonly NewTopic[]): Promise<Map<string, Finding>> {
  const outcomes = await client.tryTopics(topics);
  return new Map(
    topics.flatMap(({ name }, at) => {
      const error = outcomes[at];
      return error
        ? [[name, found('trouble', `topic ${name}`, topologyError(name, error).message)] as const]
        : [];
    }),
  );
}

/** How many members it has; undefined of one that the user may not see, which is another team's. */
async function membersOf(client: Client, group: string): Promise<number | undefined> {
  try {
    return await client.members(group);
  } catch (error) {
    if (driverError(error).code === 'GROUP_AUTHORIZATION_FAILED') return undefined;
    throw error;
  }
}
