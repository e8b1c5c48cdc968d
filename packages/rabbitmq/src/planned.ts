import type { Subscription } from '@nest-messaging/core/contract';
import { allDelays, wayBack } from './delays.js';
import { handlerOptions } from './options.js';
import {
  broadcastQueue,
  planSubscription,
  turnQueue,
  type Owner,
  type Plan,
  type QueueType,
  type Resource,
} from './topology.js';

/** A queue of one process alone, and its binding. */
export interface Live {
  /** With `*` for what each connection makes up. */
  readonly queue: string;
  readonly binding?: { readonly from: string; readonly key: string };
}

/** A subscription with all that belongs to it. */
export interface Planned {
  readonly plan: Plan;
  /** There before anything is delivered. */
  readonly atStart: readonly Resource[];
  /** What its retries may pass. */
  readonly whenNeeded: readonly Resource[];
  readonly live?: Live;
}

/** @throws {ConfigurationError | UnsupportedError} for options that cannot be used */
export function planAll(owner: Owner, subscription: Subscription, type: QueueType): Planned {
  const plan = planSubscription(owner, subscription, handlerOptions(subscription.brokerOptions), type);
  const ends = wayBack(owner, plan);
  const live = liveOf(owner, subscription, plan);
  return {
    plan,
    atStart: [...ends, ...plan.resources],
    whenNeeded: plan.retries ? allDelays(owner) : [],
    ...(live && { live }),
  };
}

function liveOf(owner: Owner, subscription: Subscription, plan: Plan): Live | undefined {
  const { queue, source, turn } = plan;
  if (queue === undefined)
    return {
      queue: broadcastQueue(owner, subscription, '*'),
      binding: { from: source!.exchange, key: source!.key },
    };
  return turn === 'consumers' ? { queue: turnQueue(queue) } : undefined;
}
