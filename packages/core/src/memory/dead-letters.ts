import {
  describeSubscription,
  InvalidMessageError,
  noPosition,
  subscriptionName,
  TopologyError,
  type Choice,
  type DeadLetterContent,
  type DeadLetterStore,
  type Environment,
  type SubscriptionId,
  type Taking,
} from '../contract/index.js';
import type { Hub } from './hub.js';
import { copyOf } from './message-copies.js';
import type { SubscriptionQueue } from './subscription-queue.js';

interface Chosen {
  readonly queue: SubscriptionQueue;
  readonly at: number;
  readonly letter: DeadLetterContent;
}

/** The dead letters that the hub holds, as one application sees them. */
export function deadLettersOf(hub: Hub, environment: Environment, closed: AbortSignal): DeadLetterStore {
  const nameOf = (id: SubscriptionId): string => subscriptionName(environment.namespace, id);

  const existing = (id: SubscriptionId): SubscriptionQueue => {
    const queue = hub.find(environment, id);
    if (queue) return queue;
    throw new TopologyError(
      `${describeSubscription(id)} does not exist on the in-memory broker: nothing can be set aside for it`,
    );
  };

  async function* choose(
    id: SubscriptionId,
    { select, signal }: Choice,
    after = -1,
  ): AsyncGenerator<Chosen, void, undefined> {
    const queue = hub.find(environment, id);
    if (!queue) return;
    const origin = nameOf(id);
    for (const at of [...queue.deadLetters.keys()].filter((one) => one > after)) {
      signal?.throwIfAborted();
      const kept = queue.deadLetters.get(at);
      // Taken by another meanwhile.
      if (!kept) continue;
      const letter = { ...kept, origin };
      if (!select || (await select(letter))) yield { queue, at, letter };
    }
  }

  const take = async (
    id: SubscriptionId,
    taking: Taking = {},
    then: (chosen: Chosen) => void,
  ): Promise<number> => {
    let count = 0;
    for await (const chosen of choose(id, taking)) {
      if (!chosen.queue.forget(chosen.at)) continue;
      then(chosen);
      hub.room.free(1);
      count++;
      taking.onGone?.(chosen.letter);
    }
    return count;
  };

  return {
    async check(id) {
      existing(id);
    },
    async *browse(id, browsing = {}) {
      let { limit: left = Number.POSITIVE_INFINITY } = browsing;
      if (left < 1) return;
      for await (const { at, letter } of choose(id, browsing, placeOf(browsing.after))) {
        const message = copyOf(letter.message);
        yield { ...letter, message, position: String(at), raw: message };
        if (--left < 1) return;
      }
    },
    redrive: (id, taking) => take(id, taking, ({ queue, letter }) => queue.push(letter.message)),
    purge: (id, taking) => take(id, taking, () => {}),
    async restore(id, { origin, message, failure, attempts, group, firstFailedAt }, signal) {
      closed.throwIfAborted();
      signal?.throwIfAborted();
      const queue = existing(id);
      if (origin !== undefined && origin !== nameOf(id))
        throw new InvalidMessageError(
          `dead letter ${message.id} comes from '${origin}', and ${describeSubscription(id)} is '${nameOf(id)}': give its own subscription`,
        );
      const own = copyOf(message);
      const accept = (): void => {
        hub.room.take(1);
        queue.setAside({ message: own, failure: { ...failure }, attempts, group, firstFailedAt });
      };
      if (hub.room.open) return accept();
      await hub.room.whenFree(accept, closed, ...(signal ? [signal] : []));
    },
  };
}

function placeOf(position: string | undefined): number | undefined {
  if (position === undefined) return undefined;
  if (!/^\d+$/.test(position)) throw noPosition(position);
  return Number(position);
}
