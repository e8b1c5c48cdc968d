import {
  ClosedError,
  ConnectionError,
  describeSubscription,
  destinationName,
  subscriptionName,
  type Broker,
  type Consumer,
  type DeliveryHandler,
  type Environment,
  type HealthPart,
  type Subscription,
  type Transport,
} from '@nest-messaging/core/contract';
import { keptHistory } from './kept-history.js';

/** What a connection that comes back may forget; each is a defect that the suite must see. */
export interface Forgetfulness {
  readonly consumers?: boolean;
  readonly broadcasts?: boolean;
  /** Publishes fail while the connection is lost, rather than wait. */
  readonly patience?: boolean;
  /** A publish resolves while the connection is lost, and its message is gone. */
  readonly messages?: boolean;
  /** Health knows nothing of the connection. */
  readonly health?: boolean;
  /** A lost connection is not reported. */
  readonly report?: boolean;
  /** A subscription waits for the connection without end. */
  readonly limits?: boolean;
  /** Health knows nothing of queues that are gone. */
  readonly vanished?: boolean;
  /** It never comes back. */
  readonly everything?: boolean;
}

export interface Networked {
  readonly broker: Broker;
  /** Names of all queues that were made; memory itself shows them to nobody. */
  readonly queues: ReadonlySet<string>;
  /** Cuts every connection; each comes back by itself. */
  cut(): Promise<void>;
  /** Cuts every connection, and none comes back until the returned function is called. */
  away(): Promise<() => Promise<void>>;
  /** Its consumers get nothing until somebody subscribes anew, as if its queue had been deleted and made again. */
  vanish(subscription: Subscription): Promise<void>;
}

interface Link {
  drop(): Promise<void>;
  restore(): Promise<void>;
}

interface Wanted {
  subscription: Subscription;
  readonly handle: DeliveryHandler;
  consumer: Consumer;
}

/** A broker behind a connection that can be lost: as memory would be if it were elsewhere. */
export function networked(inner: Broker, forgets: Forgetfulness = {}): Networked {
  const links = new Set<Link>();
  /** Queues that are gone, in words. */
  const vanished = new Set<string>();
  const history = keptHistory();
  const queues = new Set<string>();

  const open = (environment: Environment): Transport => {
    const wanted = new Set<Wanted>();
    const past = history.open(environment);
    let transport: Transport = inner.open(environment);
    let state: 'up' | 'down' | 'closed' = 'up';
    let wake = new Set<() => void>();

    const change = (next: typeof state): void => {
      state = next;
      const waking = wake;
      wake = new Set();
      for (const each of waking) each();
    };

    /** Resolves at the next change of state, or rejects once the signal aborts. */
    const changed = (signal: AbortSignal): Promise<void> =>
      new Promise((resolve, reject) => {
        const abort = (): void => reject(signal.reason as Error);
        if (signal.aborted) return abort();
        signal.addEventListener('abort', abort, { once: true });
        wake.add(() => {
          signal.removeEventListener('abort', abort);
          resolve();
        });
      });

    const link: Link = {
      async drop() {
        change('down');
        if (!forgets.report)
          environment.report({ type: 'disconnected', from: 'memory', error: new ConnectionError('cut') });
        await transport.close();
      },
      async restore() {
        if (state === 'closed' || forgets.everything) return;
        transport = inner.open(environment);
        await transport.connect();
        for (const each of wanted) {
          if (forgets.consumers || (forgets.broadcasts && each.subscription.broadcast)) continue;
          each.consumer = await transport.subscribe(each.subscription, each.handle);
        }
        change('up');
      },
    };

    return {
      name: inner.name,
      capabilities: { ...transport.capabilities, replay: 'emulated' },
      planner: transport.planner,
      deadLetters: {
        check: (...about) => transport.deadLetters.check(...about),
        browse: (...about) => transport.deadLetters.browse(...about),
        redrive: (...about) => transport.deadLetters.redrive(...about),
        purge: (...about) => transport.deadLetters.purge(...about),
        restore: (...about) => transport.deadLetters.restore(...about),
      },
      async connect() {
        await transport.connect();
        links.add(link);
      },
      async publish(message, signal) {
        for (;;) {
          if (state === 'closed') throw new ClosedError('closed');
          signal.throwIfAborted();
          if (state === 'down' && forgets.messages) return;
          if (state === 'down' && forgets.patience) throw new ConnectionError('the connection is lost');
          try {
            if (state === 'up') {
              const { namespace } = environment;
              if (message.destination.kind === 'queue')
                queues.add(destinationName(namespace, message.destination));
              return await transport.publish(message, signal);
            }
          } catch (error) {
            // Lost between the two: nothing was sent.
            if (state !== 'down' || !(error instanceof ClosedError)) throw error;
          }
          await changed(signal);
        }
      },
      async subscribe(subscription, handle) {
        if (state === 'closed') throw new ClosedError('closed');
        if (state === 'down' && forgets.limits) return new Promise(() => {});
        if (state === 'down') throw new ConnectionError('the connection is lost');
        vanished.delete(describeSubscription(subscription));
        const own = past.subscribe(subscription, handle);
        const each: Wanted = {
          subscription,
          handle: own.handle,
          consumer: await transport.subscribe(subscription, own.handle),
        };
        wanted.add(each);
        queues.add(subscriptionName(environment.namespace, subscription));
        return {
          resize(maxUnsettled) {
            each.subscription = { ...each.subscription, maxUnsettled };
            each.consumer.resize!(maxUnsettled);
          },
          async stop() {
            wanted.delete(each);
            await Promise.all([each.consumer.stop(), own.stop()]);
          },
        };
      },
      backlog: (about) => transport.backlog!(about),
      async establish(usage) {
        if (state === 'closed') throw new ClosedError('closed');
        for (const subscription of usage.subscriptions)
          if (!subscription.broadcast) queues.add(subscriptionName(environment.namespace, subscription));
        await transport.establish(usage);
      },
      async examine(...about) {
        if (state === 'closed') throw new ClosedError('closed');
        return transport.examine(...about);
      },
      async replay(...about) {
        if (state === 'closed') throw new ClosedError('closed');
        past.replay(...about);
      },
      async close() {
        past.close();
        if (state !== 'closed') change('closed');
        links.delete(link);
        await transport.close();
      },
      async health() {
        const { ready, parts } = await transport.health();
        const lost = (name: string, reason: string): HealthPart => ({ name, ready: false, reason });
        if (state === 'down')
          return forgets.health
            ? { ready: true, parts }
            : { ready: false, parts: parts.map(({ name }) => lost(name, 'lost')) };
        const gone = (name: string): boolean => vanished.has(name) && !forgets.vanished;
        return {
          ready: ready && !parts.some(({ name }) => gone(name)),
          parts: parts.map((part) => (gone(part.name) ? lost(part.name, 'its queue was deleted') : part)),
        };
      },
    };
  };

  const away = async (): Promise<() => Promise<void>> => {
    const cut = [...links];
    await Promise.all(cut.map((link) => link.drop()));
    return async () => {
      await Promise.all(cut.map((link) => link.restore()));
    };
  };

  return {
    broker: { name: inner.name, open },
    queues,
    away,
    async vanish(subscription) {
      vanished.add(describeSubscription(subscription));
    },
    async cut() {
      const back = await away();
      await back();
    },
  };
}
