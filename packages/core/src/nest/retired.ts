import * as v from 'valibot';
import { DeadLetter, Discard, isContract } from '../contract/index.js';
import type { HandlerSpec } from '../engine/index.js';
import { nameSchema } from './published.js';
import { DEFAULT_CONNECTION } from './runtime.js';
import { subscriptionOf, type SubscriptionSource } from './subscription-source.js';

/**
 * A handler that is no more. Its subscription still stands on the broker and takes every event: nobody would ever look
 * at them.
 */
export type RetiredHandler = SubscriptionSource & {
  /** As the handler said it, where the contract does not. @default what the contract declares */
  readonly ordered?: boolean;
  /** What becomes of its messages, whatever is in them: they are set aside, or acknowledged. Each is counted and logged. */
  readonly outcome: 'dead-letter' | 'discard';
};

export const retiredSchema: v.GenericSchema<RetiredHandler> = v.pipe(
  v.strictObject({
    topic: v.optional(nameSchema),
    queue: v.optional(nameSchema),
    group: v.optional(v.string()),
    connection: v.optional(v.string()),
    ordered: v.optional(v.boolean()),
    outcome: v.picklist(['dead-letter', 'discard']),
  }),
  v.check(
    ({ topic, queue, group }) => (topic === undefined) !== (queue === undefined) && !(queue && group),
    'a topic, with or without a group, or a queue',
  ),
) as v.GenericSchema<RetiredHandler>;

/** The handler in place of a retired one, and the name of its connection. */
export function inPlaceOf(
  retired: RetiredHandler,
  service: string,
): { readonly connection: string; readonly spec: HandlerSpec } {
  const { source, group } = subscriptionOf(retired, service);
  const named = 'queue' in retired ? retired.queue : retired.topic;
  const ordered = retired.ordered ?? (isContract(named) ? named.ordered : undefined);
  const discards = retired.outcome === 'discard';
  const Outcome = discards ? Discard : DeadLetter;
  return {
    connection: retired.connection ?? DEFAULT_CONNECTION,
    spec: {
      label: `the retired handler of '${source.name}'`,
      source,
      // What cannot be read, or is too large, ends before it is invoked.
      options: { ...(source.kind === 'topic' && { group }), ordered, deadLetter: !discards },
      invoke() {
        throw new Outcome(`the handler of '${source.name}' in group '${group}' is retired`);
      },
    },
  };
}
