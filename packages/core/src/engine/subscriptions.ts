import {
  ClosedError,
  ConfigurationError,
  describeSubscription,
  subscriptionName,
  UnsupportedError,
  type HealthPart,
  type Subscription,
  type SubscriptionId,
  type Transport,
} from '../contract/index.js';
import { createAdmission, type HandlerDeclaration } from './admission.js';
import type { DispatcherParts, Invoke } from './dispatcher.js';
import type { HandlerDefaults } from './handler-options.js';
import {
  createSubscription,
  type Circuit,
  type SubscriptionHere,
  type SubscriptionState,
} from './subscription.js';
import { createTimeLimit } from './time-limit.js';

/** One method that handles one topic, pattern or queue. */
export interface HandlerSpec extends HandlerDeclaration {
  readonly invoke: Invoke;
}

export interface SubscriptionsParts extends Pick<
  DispatcherParts,
  'codec' | 'maxBodySize' | 'clock' | 'observe' | 'opening' | 'deadline' | 'following'
> {
  readonly transport: Transport;
  readonly service: string;
  readonly namespace?: string;
  readonly defaults: readonly (HandlerDefaults | undefined)[];
  /** A subscription has a consumer, or has none any more. */
  readonly changed: () => void;
}

/**
 * The handlers of an application on one broker, and the consumer that runs for each. What is done to one of them rejects
 * with `ConfigurationError` where no handler of this process has it, and with `ClosedError` before the start and once it
 * is shutting down.
 */
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
  /** Subscribes again, unless its circuit is open. Without effect on one that is not paused. */
  resume(id: SubscriptionId): Promise<void>;
  /**
   * Handles so many at a time from now on, until the process ends. What runs is not interrupted; where the transport
   * cannot change it, it is waited for.
   */
  resize(id: SubscriptionId, concurrency: number): Promise<void>;
  /**
   * Pauses it while the circuit is open, whatever else pauses it; what fails then goes back to the broker, and uses up no
   * attempt. Answers what ends that.
   * @throws {ConfigurationError | ClosedError}
   */
  pauseWhileOpen(id: SubscriptionId, circuit: Circuit): () => void;
  /**
   * Sets a subscription back, with or without a handler here. Its consumer in this process is stopped for the time, and
   * subscribed again however that ends, unless it was paused.
   * @throws {UnsupportedError} if the broker keeps nothing that was settled
   */
  replay(id: SubscriptionId, from: 'beginning' | number): Promise<void>;
  list(): SubscriptionState[];
  /** Those without a consumer, which the transport cannot know. */
  idle(): HealthPart[];
  /** Those that outlive the process, as the transport is told of them. */
  lasting(): Subscription[];
}

export function createSubscriptions(parts: SubscriptionsParts): Subscriptions {
  const { transport, namespace, observe } = parts;
  const limited = createTimeLimit(parts.clock, parts.deadline);
  const admission = createAdmission(parts);
  const handlers = new Map<string, SubscriptionHere>();
  /** Replays of subscriptions that have no handler here. */
  const foreign = new Set<Promise<unknown>>();
  let state: 'new' | 'started' | 'stopped' = 'new';

  function checkOperated(): void {
    if (state === 'started') return;
    throw new ClosedError(
      state === 'new'
        ? 'the application has not started: nothing can be done to its subscriptions yet'
        : 'the application is shutting down: nothing can be done to its subscriptions any more',
    );
  }

  const all = (): SubscriptionHere[] => [...handlers.values()];

  function find(id: SubscriptionId): SubscriptionHere | undefined {
    const found = handlers.get(subscriptionName(namespace, id));
    return found?.id.source.kind === id.source.kind ? found : undefined;
  }

  /** @throws {ConfigurationError} naming those there are */
  function here(id: SubscriptionId): SubscriptionHere {
    checkOperated();
    const found = find(id);
    if (found) return found;
    const known = all().flatMap(({ state: { broadcast }, id: one }) =>
      broadcast ? [] : [describeSubscription(one)],
    );
    throw new ConfigurationError(
      `no handler of this process has ${describeSubscription(id)}: ${known.length === 0 ? 'it has none' : `it has ${known.join(', ')}`}`,
    );
  }

  async function setBack(id: SubscriptionId, from: 'beginning' | number): Promise<void> {
    await transport.replay!(id, from);
    observe({ type: 'replayed', subscription: describeSubscription(id), from });
  }

  return {
    register(handler) {
      const { admitted, refusals } = admission(handler);
      const [refusal] = refusals;
      if (refusal) throw refusal.error;
      const { key, id, options } = admitted!;
      handlers.set(
        key,
        createSubscription({
          ...parts,
          limited,
          id,
          contract: handler.contract,
          invoke: handler.invoke,
          options,
          isOperated: () => state === 'started',
          checkOperated,
        }),
      );
    },
    async start() {
      if (state === 'stopped') throw new ClosedError('the application was stopped while it started');
      const results = await Promise.allSettled(all().map((subscription) => subscription.start()));
      for (const result of results) if (result.status === 'rejected') throw result.reason;
      if (state === 'new') state = 'started';
    },
    async stop() {
      // Before it has started, what is under way ends with the connection: there is nothing in hand to wait for.
      const atOnce = state === 'new';
      state = 'stopped';
      for (const subscription of all()) subscription.halt();
      await Promise.all(all().map((subscription) => subscription.stop(atOnce)));
      await Promise.allSettled(foreign);
    },
    pause: async (id) => here(id).pause(),
    resume: async (id) => here(id).resume(),
    resize: async (id, concurrency) => here(id).resize(concurrency),
    pauseWhileOpen: (id, circuit) => here(id).pauseWhileOpen(circuit),
    async replay(id, from) {
      if (!transport.capabilities.replay)
        throw new UnsupportedError(
          `${transport.name} keeps nothing that was settled: ${describeSubscription(id)} cannot be replayed`,
        );
      checkOperated();
      const subscription = find(id);
      if (subscription) return subscription.replay(() => setBack(id, from));
      const replaying = setBack(id, from);
      foreign.add(replaying);
      await replaying.finally(() => foreign.delete(replaying));
    },
    list: () => all().map((subscription) => subscription.state),
    idle: () => (state !== 'started' ? [] : all().flatMap(({ idle }) => idle ?? [])),
    lasting: () => all().flatMap((subscription) => (subscription.state.broadcast ? [] : [subscription.told])),
  };
}
