import {
  isPattern,
  type Capabilities,
  type Means,
  type Needed,
  type PlannedResource,
  type Planner,
  type Rights,
  type Subscription,
  type Topology,
  type Usage,
} from '@nest-messaging/core/contract';
import { iamPolicy } from './iam-policy.js';
import {
  delayName,
  livePrefix,
  queueName,
  subscriptionNames,
  subscriptionQueue,
  topicName,
  type Owner,
} from './names.js';
import { handlerOptions, type ResolvedOptions } from './options.js';
import { attributesOf as attributesOfQueue } from './queues.js';
import { attributesOf as attributesOfTopic } from './topics.js';

const MEANS: Readonly<Record<Exclude<Needed, 'broadcast'>, Means>> = {
  ordered: { support: 'native', how: 'a FIFO topic and a FIFO queue, each key a message group' },
  delays: { support: 'emulated', how: "copies with SQS's own delay, again until it is over" },
  patterns: { support: 'emulated', how: 'topics are looked for by name, and makers of topics tell of them' },
  deaths: {
    support: false,
    how: 'SQS counts receipts, not deaths: such a message comes again, a thousand times at most',
  },
};

const topic = (name: string, made: PlannedResource['made']): PlannedResource => {
  const settings = attributesOfTopic(name);
  return { kind: 'topic', name, ...(settings && { settings }), made };
};

const queue = (name: string, made: PlannedResource['made']): PlannedResource => ({
  kind: 'queue',
  name,
  settings: attributesOfQueue(name),
  made,
});

/** Made of the same functions that `subscribe` and `publish` make everything of. */
export function createPlanner(
  owner: Owner,
  { largePayloads, sqs }: Pick<ResolvedOptions, 'largePayloads' | 'sqs'>,
  { broadcast: broadcasting }: Pick<Capabilities, 'broadcast'>,
): Planner {
  const means: Readonly<Record<Needed, Means>> = {
    ...MEANS,
    broadcast: broadcasting
      ? { support: broadcasting, how: 'a queue of the process; those of the dead are removed by others' }
      : { support: false, how: 'Lambda cannot take from a queue that one process alone has' },
  };

  const attachment = (from: string, to: string, made: PlannedResource['made']): PlannedResource => ({
    kind: 'subscription',
    name: `${from} → ${to}`,
    made,
  });

  /** The topics that a queue gets its messages from, and what gets them there. */
  const attached = ({ source, ordered }: Subscription, to: string): PlannedResource[] => {
    if (source.kind === 'queue') return [];
    // Of whichever topics there are.
    if (isPattern(source.name)) return [attachment('*', to, 'when needed')];
    const name = topicName(owner, source.name, ordered);
    return [
      topic(name, 'at start'),
      attachment(name, to, 'at start'),
      // What an event with an order publishes is of interest without it, too.
      ...(ordered ? [] : [attachment(topicName(owner, source.name, true), to, 'when needed')]),
    ];
  };

  const rights = ({ subscriptions, publications, delays }: Usage, topology: Topology): Rights => {
    const named = (kind: 'topic' | 'queue'): string[] =>
      publications.flatMap(({ destination }) => (destination.kind === kind ? [destination.name] : []));
    const { region } = sqs;
    const policy = iamPolicy({
      service: owner.service,
      ...(owner.namespace !== undefined && { namespace: owner.namespace }),
      topology,
      publishes: named('topic'),
      enqueues: named('queue'),
      handles: subscriptions.filter(({ broadcast }) => !broadcast),
      broadcasts: subscriptions.filter(({ broadcast }) => broadcast),
      delays,
      ...(largePayloads && { bucket: largePayloads.bucket }),
      ...(typeof region === 'string' && { region }),
    });
    return { granted: policy, grant: JSON.stringify(policy, null, 2) };
  };

  return {
    subscription(subscription) {
      handlerOptions(subscription.brokerOptions);
      const { ordered, broadcast } = subscription;
      const name = broadcast ? `${livePrefix(owner, subscription)}*` : subscriptionQueue(owner, subscription);
      const queues = broadcast ? [name] : [name, subscriptionNames(owner, subscription, ordered).dead];
      return {
        name,
        resources: [...attached(subscription, name), ...queues.map((each) => queue(each, 'at start'))],
        means,
      };
    },
    publication: ({ destination: { kind, name }, ordered }) =>
      kind === 'topic'
        ? [topic(topicName(owner, name, ordered), 'when needed')]
        : [queue(queueName(owner, name, ordered), 'when needed')],
    delays: () => ({ ...MEANS.delays, resources: [queue(delayName(owner), 'when needed')] }),
    rights,
  };
}
