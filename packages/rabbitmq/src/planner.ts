import type {
  Means,
  Needed,
  PlannedResource,
  Planner,
  SubscriptionPlan,
} from '@nest-messaging/core/contract';
import { allDelays, dueAt } from './delays.js';
import type { ResolvedOptions } from './options.js';
import { planAll, type Live } from './planned.js';
import { rightsOf } from './rights.js';
import {
  OF_ONE_PROCESS,
  publishedTo,
  type Owner,
  type Plan,
  type QueueType,
  type Resource,
} from './topology.js';

const ORDERED: Readonly<Record<Plan['turn'], Means>> = {
  any: { support: 'native', how: 'a queue of its own with a single active consumer' },
  broker: { support: 'native', how: 'a queue with a single active consumer' },
  consumers: { support: 'emulated', how: 'its consumers agree by an exclusive queue whose turn it is' },
};

const DELAYS: Means = {
  support: 'emulated',
  how: 'quorum queues in binary levels, which pass on what has waited there; no plug-in',
};

const meansOf = ({ turn }: Plan, type: QueueType): Readonly<Record<Needed, Means>> => ({
  ordered: ORDERED[turn],
  delays: DELAYS,
  patterns: { support: 'native', how: 'a binding of the topic exchange' },
  broadcast: { support: 'native', how: 'an exclusive queue, gone with its connection' },
  deaths:
    type === 'quorum'
      ? { support: 'native', how: 'quorum queues count deliveries; a suspect is handled alone' }
      : { support: false, how: 'classic queues do not count: such a message comes again each time' },
});

function toPlanned(resource: Resource, made: PlannedResource['made']): PlannedResource {
  switch (resource.kind) {
    case 'exchange': {
      const { kind, name, type, foreign } = resource;
      return { kind, name, settings: { type, ...resource.arguments }, made: foreign ? 'never' : made };
    }
    case 'queue': {
      const { kind, name, foreign } = resource;
      return {
        kind,
        name,
        ...(resource.arguments && { settings: resource.arguments }),
        made: foreign ? 'never' : made,
      };
    }
    case 'binding': {
      const { kind, from, to, key } = resource;
      const [target, name] = 'queue' in to ? ['queue', to.queue] : ['exchange', to.exchange];
      return {
        kind,
        name: `${from} → ${name}`,
        settings: { to: target, key, ...resource.arguments },
        made,
      };
    }
  }
}

function ofLive({ queue, binding }: Live): PlannedResource[] {
  const { arguments: more, ...settings } = OF_ONE_PROCESS;
  return [
    { kind: 'queue', name: queue, settings: { ...settings, ...more }, made: 'at start' },
    ...(binding
      ? [
          {
            kind: 'binding',
            name: `${binding.from} → ${queue}`,
            settings: { to: 'queue', key: binding.key },
            made: 'at start',
          } as const,
        ]
      : []),
  ];
}

/** Says each once, as it is first made. */
function distinct(resources: readonly PlannedResource[]): PlannedResource[] {
  const seen = new Map<string, PlannedResource>();
  for (const resource of resources) {
    const key = `${resource.kind} ${resource.name} ${JSON.stringify(resource.settings)}`;
    if (!seen.has(key)) seen.set(key, resource);
  }
  return [...seen.values()];
}

/** Made of the same functions that `subscribe` and `publish` make everything of. */
export function createPlanner(
  owner: Owner,
  { queueType }: Pick<ResolvedOptions, 'queueType'>,
  vhost: string,
): Planner {
  const planned = (resources: readonly Resource[], made: PlannedResource['made']): PlannedResource[] =>
    resources.map((resource) => toPlanned(resource, made));
  return {
    subscription(subscription): SubscriptionPlan {
      const { plan, atStart, whenNeeded, live } = planAll(owner, subscription, queueType);
      return {
        name: plan.queue ?? live!.queue,
        resources: distinct([
          ...planned(atStart, 'at start'),
          ...(live ? ofLive(live) : []),
          ...planned(whenNeeded, 'when needed'),
        ]),
        means: meansOf(plan, queueType),
      };
    },
    publication: ({ destination }) =>
      planned([...publishedTo(owner, destination, queueType), ...dueAt(owner, destination)], 'when needed'),
    delays: () => ({ ...DELAYS, resources: distinct(planned(allDelays(owner), 'when needed')) }),
    rights: (usage, topology) => rightsOf(owner, usage, queueType, topology, vhost),
  };
}
