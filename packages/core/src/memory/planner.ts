import {
  destinationName,
  subscriptionName,
  type Environment,
  type Means,
  type Needed,
  type PlannedResource,
  type Planner,
} from '../contract/index.js';

const MEANS: Readonly<Record<Needed, Means>> = {
  ordered: { support: 'native', how: 'the first process alone takes, in the order of publishing' },
  delays: { support: 'native', how: 'a timer each' },
  patterns: { support: 'native', how: 'matched when a message is published' },
  broadcast: { support: 'native', how: 'a queue of the process, gone with it' },
  deaths: { support: false, how: 'nothing outlives the process that a message kills' },
};

const queue = (name: string, made: PlannedResource['made']): PlannedResource => ({
  kind: 'queue',
  name,
  made,
});

/** @param refuse throws where a handler has options under `memory` */
export function createPlanner(
  { namespace }: Pick<Environment, 'namespace'>,
  refuse: (brokerOptions: unknown) => void,
): Planner {
  return {
    subscription(subscription) {
      refuse(subscription.brokerOptions);
      const name = subscriptionName(namespace, subscription);
      return { name, resources: [queue(name, 'at start')], means: MEANS };
    },
    publication({ destination }) {
      const name = destinationName(namespace, destination);
      // A topic is no more than who subscribes to it.
      return destination.kind === 'queue' ? [queue(name, 'when needed')] : [];
    },
    delays: () => ({ ...MEANS.delays, resources: [] }),
    rights: () => ({ granted: {}, grant: 'none: memory asks nobody' }),
  };
}
