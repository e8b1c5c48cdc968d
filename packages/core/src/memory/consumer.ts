import {
  createTurnoverSet,
  type Clock,
  type Consumer,
  type DeliveryHandler,
  type Settlement,
  type Subscription,
} from '../contract/index.js';
import { copyOf } from './message-copies.js';
import type { Entry, SubscriptionQueue, Taker } from './subscription-queue.js';

export interface MemoryConsumer extends Consumer {
  /** Takes no more, and returns what is unsettled to the broker at once. */
  abandon(): void;
}

/** Takes from a queue what its handler has room for, and has each settlement carried out. */
export function consume(
  queue: SubscriptionQueue,
  { group, ordered, maxUnsettled: atFirst }: Pick<Subscription, 'group' | 'ordered' | 'maxUnsettled'>,
  handle: DeliveryHandler,
  clock: Clock,
  onRejection: (entry: Entry, error: unknown) => void,
  onEnd: () => void,
): MemoryConsumer {
  const unsettled = createTurnoverSet<Entry>();
  let maxUnsettled = atFirst;
  let stopping: PromiseWithEnd | undefined;

  const end = (): void => {
    queue.leave(taker);
    onEnd();
    stopping!.resolve();
  };

  const settle = (entry: Entry, settlement: Settlement, takenAt: number): void => {
    // Whoever abandoned it has given it back already; a late settlement has nothing left to settle.
    if (!unsettled.delete(entry)) return;
    queue.settle(entry, settlement, group, takenAt);
    settlement.carriedOut?.();
    if (stopping && unsettled.size === 0) end();
    else queue.stir();
  };

  const taker: Taker = {
    ordered,
    get ready() {
      return !stopping && unsettled.size < maxUnsettled;
    },
    take(entry) {
      unsettled.add(entry);
      const takenAt = clock.now();
      const message = copyOf(entry.message);
      handle({ message, attempt: entry.attempt, deaths: 0, raw: message }).then(
        (settlement) => settle(entry, settlement, takenAt),
        (error: unknown) => onRejection(entry, error),
      );
    },
  };
  queue.join(taker);

  return {
    stop() {
      if (!stopping) {
        stopping = promiseWithEnd();
        if (unsettled.size === 0) end();
      }
      return stopping.promise;
    },
    resize(most) {
      maxUnsettled = most;
      queue.stir();
    },
    abandon() {
      stopping ??= promiseWithEnd();
      const entries = [...unsettled];
      unsettled.clear();
      queue.giveBack(entries);
      end();
    },
  };
}

interface PromiseWithEnd {
  readonly promise: Promise<void>;
  readonly resolve: () => void;
}

function promiseWithEnd(): PromiseWithEnd {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
}
