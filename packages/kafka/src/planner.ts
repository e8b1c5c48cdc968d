import {
  isPattern,
  type Means,
  type Needed,
  type PlannedResource,
  type Planner,
} from '@nest-messaging/core/contract';
import type { NewTopic } from './driver/driver.js';
import { handlerOptions, type ResolvedOptions } from './options.js';
import { rightsOf } from './rights.js';
import {
  delayNames,
  delayTopics,
  destinationTopic,
  subscriptionNames,
  subscriptionTopics,
  type Owner,
} from './topology.js';

const MEANS: Readonly<Record<Needed, Means>> = {
  ordered: { support: 'native', how: 'all messages of a key are in one partition, which one process has' },
  delays: {
    support: 'emulated',
    how: 'topics in eight levels of delay, which a relay in each process passes on',
  },
  patterns: { support: 'emulated', how: 'topics are looked for by name, again and again' },
  broadcast: { support: 'native', how: 'read from the end, without a group' },
  deaths: { support: false, how: 'Kafka does not count deliveries: such a message comes again each time' },
};

function toPlanned(
  { name, partitions, replicas, config }: NewTopic,
  made: PlannedResource['made'],
): PlannedResource {
  return {
    kind: 'topic',
    name,
    // -1 is the broker's own default.
    settings: { partitions, ...(replicas === -1 ? {} : { replicas }), ...config },
    made,
  };
}

const groupNamed = (name: string, made: PlannedResource['made']): PlannedResource => ({
  kind: 'consumer group',
  name,
  made,
});

/** Made of the same functions that `subscribe` and `publish` make everything of. */
export function createPlanner(owner: Owner, options: ResolvedOptions): Planner {
  const delaysOf = (waiter: string, made: PlannedResource['made']): PlannedResource[] => {
    const names = delayNames(owner, waiter);
    return [
      ...delayTopics(names, options).map((topic) => toPlanned(topic, made)),
      groupNamed(names.group, made),
    ];
  };
  return {
    subscription(subscription) {
      handlerOptions(subscription.brokerOptions);
      const { source, group, broadcast } = subscription;
      const { all, copies } = subscriptionTopics(owner, subscription, options);
      const topics = all.map((topic) => toPlanned(topic, 'at start'));
      if (broadcast)
        return {
          name: `no group, on ${isPattern(source.name) ? source.name : topics[0]!.name}`,
          resources: topics,
          means: MEANS,
        };
      const names = subscriptionNames(owner, subscription);
      return {
        name: names.group,
        resources: [
          ...topics,
          groupNamed(names.group, 'at start'),
          ...(copies.length > 0 ? [groupNamed(delayNames(owner, group).group, 'at start')] : []),
        ],
        means: MEANS,
      };
    },
    publication: ({ destination }) => [
      toPlanned(destinationTopic(owner, destination, options), 'when needed'),
    ],
    delays: () => ({ ...MEANS.delays, resources: delaysOf(owner.service, 'when needed') }),
    rights: (usage, topology) => rightsOf(owner, usage, topology, options.brokers[0]!),
  };
}
