import { isPattern, matches } from '../contract/index.js';
import type { SubscriptionQueue } from './subscription-queue.js';

/** Which subscriptions a topic's messages go to. */
export type Routes = (topic: string) => readonly SubscriptionQueue[];

/**
 * Topics are names that publishers choose: what is remembered of them is bounded. Nothing is forgotten for another one:
 * where more are published to in turn, each would be forgotten before it comes again.
 */
const MOST = 10_000;

const NONE: readonly SubscriptionQueue[] = [];

/** @param queues all there are: another one needs routes made anew */
export function createRoutes(queues: Iterable<SubscriptionQueue>): Routes {
  const named = new Map<string, SubscriptionQueue[]>();
  const patterned: SubscriptionQueue[] = [];
  for (const queue of queues) {
    const { kind, name } = queue.id.source;
    if (kind !== 'topic') continue;
    const alike = isPattern(name) ? patterned : named.get(name);
    if (alike) alike.push(queue);
    else named.set(name, [queue]);
  }
  const known = new Map<string, readonly SubscriptionQueue[]>();

  return (topic) => {
    const own = named.get(topic) ?? NONE;
    if (patterned.length === 0) return own;
    let all = known.get(topic);
    if (!all) {
      all = [...own, ...patterned.filter(({ id }) => matches(id.source.name, topic))];
      if (known.size < MOST) known.set(topic, all);
    }
    return all;
  };
}
