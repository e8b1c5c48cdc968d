import {
  describeSubscription,
  subscriptionName,
  TopologyError,
  type DeliveryHandler,
  type Environment,
  type Message,
  type Subscription,
  type SubscriptionId,
} from '@nest-messaging/core/contract';

/** What one subscription settled, and what of it is to be delivered again. */
interface History {
  settled: Message[];
  again: Message[];
  readonly running: Set<object>;
}

/** What one application sees of the history. */
interface Past {
  /** The handler that remembers, and what ends the deliveries of a replay. */
  subscribe(
    subscription: Subscription,
    handle: DeliveryHandler,
  ): { readonly handle: DeliveryHandler; readonly stop: () => Promise<void> };
  replay(subscription: SubscriptionId, from: 'beginning' | number): void;
  close(): void;
}

const copyOf = (message: Message): Message => ({
  ...message,
  body: Uint8Array.from(message.body),
  headers: { ...message.headers },
});

/** Keeps what subscriptions settle, so that memory can be replayed in tests as a broker that keeps a log. */
export function keptHistory(): { open(environment: Environment): Past } {
  const histories = new Map<string, History>();

  return {
    open(environment) {
      const ends = new Set<() => void>();
      const nameOf = (id: SubscriptionId): string => subscriptionName(environment.namespace, id);

      return {
        subscribe(subscription, handle) {
          if (subscription.broadcast) return { handle, stop: async () => {} };
          const name = nameOf(subscription);
          const history = histories.get(name) ?? { settled: [], again: [], running: new Set() };
          histories.set(name, history);
          const me = {};
          history.running.add(me);
          let stopped = false;
          const end = (): void => {
            stopped = true;
            history.running.delete(me);
          };
          ends.add(end);

          const remembering: DeliveryHandler = async (delivery) => {
            const message = copyOf(delivery.message);
            const settlement = await handle(delivery);
            if (settlement.type === 'acknowledge' || settlement.type === 'dead-letter')
              history.settled.push(message);
            return settlement;
          };

          const deliverAgain = async (): Promise<void> => {
            while (!stopped && history.again.length > 0) {
              const message = history.again.shift()!;
              for (let attempt = 1; ; attempt++) {
                const settlement = await remembering({
                  message: copyOf(message),
                  attempt,
                  deaths: 0,
                  raw: message,
                });
                if (settlement.type === 'retry' && !stopped) continue;
                if (settlement.type === 'retry' || settlement.type === 'release')
                  history.again.unshift(message);
                break;
              }
            }
          };
          const delivering = new Promise<void>((resolve) => setImmediate(resolve)).then(deliverAgain);
          return {
            handle: remembering,
            async stop() {
              end();
              ends.delete(end);
              await delivering;
            },
          };
        },
        replay(subscription, from) {
          const history = histories.get(nameOf(subscription));
          const what = describeSubscription(subscription);
          if (!history) throw new TopologyError(`${what} does not exist: nothing can be replayed`);
          if (history.running.size > 0)
            throw new TopologyError(
              `${what} has ${history.running.size} consumers that run: pause them first`,
            );
          const since = from === 'beginning' ? Number.NEGATIVE_INFINITY : from;
          const wanted = (message: Message): boolean => (message.publishedAt ?? since) >= since;
          history.again.push(...history.settled.filter(wanted));
          history.settled = history.settled.filter((message) => !wanted(message));
        },
        close() {
          for (const end of ends) end();
        },
      };
    },
  };
}
