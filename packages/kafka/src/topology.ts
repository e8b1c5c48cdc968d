import {
  destinationName,
  isPattern,
  matches as covers,
  MARKER,
  subscriptionName,
  type Destination,
  type Environment,
  type Subscription,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import { LEVELS, MAX_DELAY, longestStep } from './delays.js';
import type { NewTopic } from './driver/driver.js';
import type { ResolvedOptions } from './options.js';

/** Who the module acts for, as far as names on the broker depend on it. */
export type Owner = Pick<Environment, 'namespace' | 'service'>;

/** The topic of an event, or of a queue: those are two things even where they have one name. */
export function topicName({ namespace }: Pick<Owner, 'namespace'>, destination: Destination): string {
  const name = destinationName(namespace, destination);
  return destination.kind === 'queue' ? `${name}${MARKER}queue` : name;
}

/** The event's name that a topic carries; undefined for topics of other namespaces and of the module itself. */
export function eventOfTopic({ namespace }: Pick<Owner, 'namespace'>, topic: string): string | undefined {
  const prefix = namespace === undefined ? '' : `${namespace}.`;
  // Broker's own topics begin with two underscores, such as __consumer_offsets.
  if (!topic.startsWith(prefix) || topic.includes(MARKER) || topic.startsWith('__')) return undefined;
  return topic.slice(prefix.length) || undefined;
}

/** Words that stand for wildcards in names on the broker, which allows no others than letters, digits and `._-`. */
const WILDCARDS: Readonly<Record<string, string>> = { '*': `${MARKER}one`, '#': `${MARKER}all` };

/** All that a subscription is on the broker. */
export interface SubscriptionNames {
  /** Its consumer group. */
  readonly group: string;
  /** Where its own retries, releases and redriven messages come back, for this group alone. */
  readonly retry: string;
  readonly dead: string;
}

export function subscriptionNames(
  { namespace }: Pick<Owner, 'namespace'>,
  id: SubscriptionId,
): SubscriptionNames {
  const base =
    id.source.kind === 'queue'
      ? topicName({ namespace }, id.source)
      : subscriptionName(namespace, id)
          .split('.')
          .map((word) => WILDCARDS[word] ?? word)
          .join('.');
  return { group: base, retry: `${base}${MARKER}retry`, dead: `${base}${MARKER}dead` };
}

/** Whether a topic is one that a subscription takes its messages from. */
export function takesFrom(owner: Pick<Owner, 'namespace'>, id: SubscriptionId, topic: string): boolean {
  if (topic === subscriptionNames(owner, id).retry) return true;
  if (!isPattern(id.source.name)) return topic === topicName(owner, id.source);
  const event = eventOfTopic(owner, topic);
  return event !== undefined && covers(id.source.name, event);
}

/** What waits: retries of a group, and delayed messages of a service. A group has its service's name by default. */
export interface DelayNames {
  /** The relay's consumer group. */
  readonly group: string;
  /** One topic for each level of delay, shortest first. */
  readonly levels: readonly string[];
}

export function delayNames({ namespace }: Pick<Owner, 'namespace'>, waiter: string): DelayNames {
  const group = `${destinationName(namespace, { kind: 'queue', name: waiter })}${MARKER}delay`;
  return { group, levels: Array.from({ length: LEVELS }, (_, level) => `${group}-${level}`) };
}

/** Copies carry more headers than their originals, and must never be refused for it. */
const ROOM_FOR_HEADERS = 1024 * 1024;

type TopicOptions = Pick<ResolvedOptions, 'partitions' | 'replicas' | 'topicConfig' | 'maxBodySize'>;

const kept = ({ maxBodySize }: TopicOptions): Record<string, string> => ({
  'cleanup.policy': 'delete',
  'retention.ms': '-1',
  'retention.bytes': '-1',
  'max.message.bytes': String(maxBodySize + ROOM_FOR_HEADERS),
});

/** What the module creates where it may. Partitions and settings of what exists are never changed. */
export function destinationTopic(owner: Owner, destination: Destination, options: TopicOptions): NewTopic {
  const { partitions, replicas } = options;
  const name = topicName(owner, destination);
  // Work waits for its worker however long it takes; events follow the retention that the team chose.
  const config = destination.kind === 'queue' ? kept(options) : options.topicConfig;
  return { name, partitions, replicas, config };
}

export function ownTopics({ retry, dead }: SubscriptionNames, options: TopicOptions): NewTopic[] {
  const { partitions, replicas } = options;
  return [retry, dead].map((name) => ({ name, partitions, replicas, config: kept(options) }));
}

export function delayTopics({ levels }: DelayNames, options: TopicOptions): NewTopic[] {
  return levels.map((name, level) => ({
    name,
    // In one partition the order of writing is the order in which it is due.
    partitions: 1,
    replicas: options.replicas,
    config: { ...kept(options), 'retention.ms': String(longestStep(level) + MAX_DELAY) },
  }));
}

/** Topics of a subscription. */
export interface SubscriptionTopics {
  readonly all: readonly NewTopic[];
  /** Those among them to which it sends copies of its messages; a broadcast has none. */
  readonly copies: readonly NewTopic[];
}

export function subscriptionTopics(
  owner: Owner,
  subscription: Pick<Subscription, 'source' | 'group' | 'broadcast'>,
  options: TopicOptions,
): SubscriptionTopics {
  const { source, group, broadcast } = subscription;
  const copies = broadcast
    ? []
    : [
        ...ownTopics(subscriptionNames(owner, subscription), options),
        ...delayTopics(delayNames(owner, group), options),
      ];
  // Those of a pattern are made by whoever publishes to them.
  const sources = isPattern(source.name) ? [] : [destinationTopic(owner, source, options)];
  return { all: [...sources, ...copies], copies };
}

/** The topics that carry an event of those that match. */
export function matching(
  owner: Owner,
  matches: (event: string) => boolean,
  topics: readonly string[],
): string[] {
  return topics
    .filter((topic) => {
      const event = eventOfTopic(owner, topic);
      return event !== undefined && matches(event);
    })
    .sort();
}
