import { isContract, type EventContract, type SubscriptionId } from '../contract/index.js';

type Name = string | EventContract<any, any>;

/** Which subscription is meant: that of one group to one topic or pattern, or that of a queue's workers. */
export type SubscriptionSource = (
  | {
      /** Topic, pattern or contract as the handler names it. */
      readonly topic: Name;
      /** @default the service's name */
      readonly group?: string;
    }
  | { readonly queue: Name }
) & {
  /** @default the module's own broker */
  readonly connection?: string;
};

function nameOf(name: Name): string {
  return isContract(name) ? name.topic : name;
}

/** @param service the group of those that name none */
export function subscriptionOf(source: SubscriptionSource, service: string): SubscriptionId {
  return 'queue' in source
    ? { source: { kind: 'queue', name: nameOf(source.queue) }, group: service }
    : { source: { kind: 'topic', name: nameOf(source.topic) }, group: source.group ?? service };
}
