import {
  ClosedError,
  ConfigurationError,
  describeSubscription,
  RegistrationError,
  subscriptionName,
  UnsupportedError,
  type Consumer,
  type Destination,
  type EventContract,
  type HealthPart,
  type SubscriptionId,
  type Transport,
} from '../contract/index.js';
import { createDispatcher, type DispatcherParts, type Invoke } from './dispatcher.js';
import { failureOf } from './failure.js';
import {
  maxUnsettled,
  resolveHandlerOptions,
  type HandlerDefaults,
  type HandlerOptions,
  type ResolvedHandlerOptions,
} from './handler-options.js';
import { checkRequirements } from './requirements.js';
import { createTimeLimit } from './time-limit.js';

/** One method that handles one topic, pattern or queue. */
export interface HandlerSpec {
  /** Class and method, for messages to people. */
  readonly label: string;
  readonly source: Destination;
  readonly contract?: EventContract<any, any>;
  readonly options: HandlerOptions;
  /** Group where the options name none. */
  readonly defaultGroup?: string;
  readonly invoke: Invoke;
}

export interface SubscriptionsParts extends Pick<
  DispatcherParts,
  'codec' | 'maxBodySize' | 'clock' | 'observe' | 'opened' | 'deadline' | 'following'
> {
  readonly transport: Transport;
  readonly service: string;
  readonly namespace?: string;
  readonly defaults: readonly (HandlerDefaults | undefined)[];
}

/** The handlers of an application on one broker, and the consumer that runs for each. */
export interface Subscriptions {
  /**
   * Adds a handler; before `start`.
   * @throws {ConfigurationError | RegistrationError | UnsupportedError} if it cannot be served
   */
  register(handler: HandlerSpec): void;
  /** Subscribes all; rejects if one cannot be. */
  start(): Promise<void>;
  /** Starts no handler any more from this moment; resolves when those that run have ended and are settled. */
  stop(): Promise<void>;
  /** Stops this process's consumer; resolves when what it has in hand is settled. Without effect on a paused one. */
  pause(id: SubscriptionId): Promise<void>;
  /** Subscribes again. Without effect on one that is not paused. */
  resume(id: SubscriptionId): Promise<void>;
  /**
   * Sets a subscription back, with or without a handler here. Its consumer in this process is stopped for the time, and
   * subscribed again however that ends, unless it was paused.
   * @throws {UnsupportedError} if the broker keeps nothing that was settled
   */
  replay(id: SubscriptionId, from: 'beginning' | number): Promise<void>;
  /** Those without a consumer, which the transport cannot know. */
  idle(): HealthPart[];
}

interface Registered extends HandlerSpec {
  readonly id: SubscriptionId;
  readonly resolved: ResolvedHandlerOptions;
  consumer?: Consumer;
  /** Aborts when the consumer stops. */
  stopping: AbortController;
  /** Why it has no consumer, where nobody wanted that. */
  lost?: string;
  /** What is done to it ends before the next begins. */
  turn: Promise<unknown>;
}

export function createSubscriptions(parts: SubscriptionsParts): Subscriptions {
  const { transport, namespace, observe } = parts;
  const limited = createTimeLimit(parts.clock, parts.deadline);
  const handlers = new Map<string, Registered>();
  /** Replays of subscriptions that have no handler here. */
  const foreign = new Set<Promise<unknown>>();
  let state: 'new' | 'started' | 'stopped' = 'new';

  function checkStarted(): void {
    if (state === 'started') return;
    throw new ClosedError(
      state === 'new'
        ? 'the application has not started: nothing can be paused, resumed or replayed yet'
        : 'the application is shutting down: nothing can be paused, resumed or replayed any more',
    );
  }

  async function subscribe(handler: Registered): Promise<void> {
    const { source, contract, resolved, invoke } = handler;
    const stopping = new AbortController();
    handler.stopping = stopping;
    handler.consumer = await transport.subscribe(
      {
        source,
        group: resolved.group,
        ordered: resolved.ordered,
        broadcast: resolved.broadcast,
        maxUnsettled: maxUnsettled(resolved),
        brokerOptions: resolved.brokerOptions,
      },
      createDispatcher({
        ...parts,
        limited,
        options: resolved,
        source: source.name,
        contract,
        invoke,
        maxHold: transport.capabilities.maxHold,
        maxDelay: transport.capabilities.maxDelay,
        stopping: stopping.signal,
      }),
    );
    handler.lost = undefined;
  }

  async function unsubscribe(handler: Registered): Promise<void> {
    handler.stopping.abort();
    await handler.consumer?.stop();
    handler.consumer = undefined;
  }

  function inTurn<T>(handler: Registered, run: () => Promise<T>): Promise<T> {
    const mine = handler.turn.then(run);
    handler.turn = mine.catch(() => undefined);
    return mine;
  }

  function find(id: SubscriptionId): Registered | undefined {
    const found = handlers.get(subscriptionName(namespace, id));
    return found?.source.kind === id.source.kind ? found : undefined;
  }

  /** @throws {ConfigurationError} naming those there are */
  function here(id: SubscriptionId): Registered {
    const found = find(id);
    if (found) return found;
    const known = [...handlers.values()]
      .filter(({ resolved }) => !resolved.broadcast)
      .map((handler) => describeSubscription(handler.id));
    throw new ConfigurationError(
      `no handler of this process has ${describeSubscription(id)}: ${known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`}`,
    );
  }

  async function setBack(id: SubscriptionId, from: 'beginning' | number): Promise<void> {
    await transport.replay!(id, from);
    observe({ type: 'replayed', subscription: describeSubscription(id), from });
  }

  /** However the replay ends, the consumer that was there comes back; or it is told that it did not. */
  async function comeBack(handler: Registered): Promise<void> {
    if (state !== 'started') return;
    try {
      await subscribe(handler);
    } catch (error) {
      const { name, message } = failureOf(error, 0);
      handler.lost = `could not be subscribed again after a replay: ${name}: ${message}`;
      observe({
        type: 'warning',
        message: `${describeSubscription(handler.id)} could not be subscribed again after a replay, and takes nothing until it is resumed`,
        error,
      });
      throw error;
    }
  }

  async function setBackHere(handler: Registered, from: 'beginning' | number): Promise<void> {
    checkStarted();
    if (!handler.consumer) return setBack(handler.id, from);
    await unsubscribe(handler);
    checkStarted();
    try {
      await setBack(handler.id, from);
    } catch (error) {
      // Its own failure is told above; this is what the caller asked for.
      await comeBack(handler).catch(() => undefined);
      throw error;
    }
    await comeBack(handler);
  }

  return {
    register(handler) {
      const resolved = resolveHandlerOptions(
        handler.options,
        {
          group: handler.defaultGroup ?? parts.service,
          ordered: handler.contract?.ordered ?? false,
          transport: transport.name,
          label: handler.label,
        },
        ...parts.defaults,
      );
      if (handler.source.kind === 'queue' && handler.options.group !== undefined)
        throw new RegistrationError(
          `${handler.label} gives group '${handler.options.group}' to queue '${handler.source.name}': all workers of a queue share it; remove the group`,
        );
      checkRequirements(
        { label: handler.label, source: handler.source, contract: handler.contract, options: resolved },
        transport.name,
        transport.capabilities,
      );
      const id = { source: handler.source, group: resolved.group };
      const name = subscriptionName(namespace, id);
      const key = resolved.broadcast ? `${name} broadcast ${handlers.size}` : name;
      const rival = handlers.get(key);
      if (rival)
        throw new RegistrationError(
          rival.source.kind === handler.source.kind
            ? rival.label === handler.label
              ? `${handler.label} is provided in two Nest modules, and would handle ${describeSubscription(id)} twice: provide the class in one, and export it`
              : `${rival.label} and ${handler.label} both handle ${describeSubscription(id)}: only one would get each message; ${
                  handler.source.kind === 'queue'
                    ? 'remove one of them; for more workers raise its concurrency or start another process'
                    : 'give one of them { group: … }'
                }`
            : `${rival.label} and ${handler.label} would share the name '${name}' on the broker: rename the queue or the group`,
        );
      handlers.set(key, {
        ...handler,
        id,
        resolved,
        stopping: new AbortController(),
        turn: Promise.resolve(),
      });
    },
    async start() {
      const all = [...handlers.values()];
      const results = await Promise.allSettled(
        all.map((handler) => inTurn(handler, () => subscribe(handler))),
      );
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      if (state === 'new') state = 'started';
    },
    async stop() {
      // Before it has started, what is under way ends with the connection: there is nothing in hand to wait for.
      const waits = state !== 'new';
      state = 'stopped';
      const all = [...handlers.values()];
      for (const { stopping } of all) stopping.abort();
      await Promise.all(
        all.map((handler) => (waits ? inTurn(handler, () => unsubscribe(handler)) : unsubscribe(handler))),
      );
      await Promise.allSettled(foreign);
    },
    async pause(id) {
      checkStarted();
      const handler = here(id);
      await inTurn(handler, async () => {
        checkStarted();
        if (!handler.consumer) return;
        await unsubscribe(handler);
        observe({ type: 'paused', subscription: describeSubscription(id) });
      });
    },
    async resume(id) {
      checkStarted();
      const handler = here(id);
      await inTurn(handler, async () => {
        checkStarted();
        if (handler.consumer) return;
        await subscribe(handler);
        observe({ type: 'resumed', subscription: describeSubscription(id) });
      });
    },
    async replay(id, from) {
      if (!transport.capabilities.replay)
        throw new UnsupportedError(
          `${transport.name} keeps nothing that was settled: ${describeSubscription(id)} cannot be replayed`,
        );
      checkStarted();
      const handler = find(id);
      if (handler) return inTurn(handler, () => setBackHere(handler, from));
      const replaying = setBack(id, from);
      foreign.add(replaying);
      await replaying.finally(() => foreign.delete(replaying));
    },
    idle: () =>
      state !== 'started'
        ? []
        : [...handlers.values()]
            .filter(({ consumer }) => !consumer)
            .map(({ id, lost }) => ({
              name: describeSubscription(id),
              ready: lost === undefined,
              ...(lost === undefined ? { paused: true } : { reason: lost }),
            })),
  };
}
