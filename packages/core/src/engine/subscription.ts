import { AsyncResource } from 'node:async_hooks';
import {
  describeSubscription,
  type Consumer,
  type HealthPart,
  type Subscription,
  type SubscriptionId,
  type Transport,
} from '../contract/index.js';
import { watchCircuit, type CircuitParts } from './circuit.js';
import { createDispatcher, type Dispatcher, type DispatcherParts } from './dispatcher.js';
import { failureOf } from './failure.js';
import { maxUnsettled, subscriptionOf, type ResolvedHandlerOptions } from './handler-options.js';

/** A subscription in this process, as it is now. */
export interface SubscriptionState extends SubscriptionId {
  readonly broadcast: boolean;
  /** `stopped`: not started, shut down, lost, or just being subscribed; health says why. */
  readonly state: 'running' | 'paused' | 'stopped';
  /** Handlers, or batches, at a time. */
  readonly concurrency: number;
}

/** A circuit that a subscription depends on. */
export type Circuit = Pick<CircuitParts, 'breaker' | 'probe' | 'every'>;

/** One handler's subscription: the consumer it has in this process. What is done to it ends before the next begins. */
export interface SubscriptionHere {
  readonly id: SubscriptionId;
  readonly state: SubscriptionState;
  /** As the transport is told of it. */
  readonly told: Subscription;
  /** What the transport cannot know: it has no consumer, and why. */
  readonly idle: HealthPart | undefined;
  start(): Promise<void>;
  /** Nothing begins any more from this moment. */
  halt(): void;
  /** Resolves when what is in hand is settled; without waiting for what is done to it before, if told so. */
  stop(atOnce: boolean): Promise<void>;
  pause(): Promise<void>;
  resume(): Promise<void>;
  resize(concurrency: number): Promise<void>;
  /** Runs `setBack` while there is no consumer; one that was there comes back, however that ends. */
  replay(setBack: () => Promise<void>): Promise<void>;
  /** Answers what ends that. */
  pauseWhileOpen(circuit: Circuit): () => void;
}

export interface SubscriptionParts extends Pick<
  DispatcherParts,
  | 'codec'
  | 'maxBodySize'
  | 'clock'
  | 'observe'
  | 'opening'
  | 'deadline'
  | 'following'
  | 'limited'
  | 'contract'
  | 'invoke'
  | 'options'
> {
  readonly transport: Transport;
  readonly id: SubscriptionId;
  /** The application has started, and does not shut down. */
  readonly isOperated: () => boolean;
  /** @throws {ClosedError} unless it is so */
  readonly checkOperated: () => void;
  /** A consumer has come, has gone, or did not come back. */
  readonly changed: () => void;
}

/** What takes messages, and what handles them. */
interface Running {
  readonly consumer: Consumer;
  readonly dispatcher: Dispatcher;
}

/** Why there is no consumer, where nobody wanted that, and whether nobody tries again. */
interface Loss {
  readonly reason: string;
  readonly gaveUp: boolean;
}

export function createSubscription(parts: SubscriptionParts): SubscriptionHere {
  const { transport, id, clock, observe, isOperated, checkOperated, changed } = parts;
  const what = describeSubscription(id);
  let { options } = parts;
  let running: Running | undefined;
  let stopping = new AbortController();
  let turn: Promise<unknown> = Promise.resolve();
  /** An operator wants it to take nothing. */
  let paused = false;
  /** So do circuits that are open. */
  const open = new Set<object>();
  let loss: Loss | undefined;
  const circuits = new Set<() => void>();

  /** Whoever resumes it, be it a request or a handler whose circuit closes: their context must not become its handlers'. */
  const outside = new AsyncResource('nest-messaging');

  const isPaused = (): boolean => paused || open.size > 0;

  const told = (resolved: ResolvedHandlerOptions): Subscription => subscriptionOf(id.source, resolved);

  const subscribe = (): Promise<void> => outside.runInAsyncScope(take);

  async function take(): Promise<void> {
    const mine = new AbortController();
    stopping = mine;
    const dispatcher = createDispatcher({
      ...parts,
      options,
      source: id.source.name,
      maxHold: transport.capabilities.maxHold,
      maxDelay: transport.capabilities.maxDelay,
      stopping: mine.signal,
      excused: () => open.size > 0,
    });
    const consumer = await transport.subscribe(told(options), dispatcher.handle);
    // Stopped while it began, by who could not wait for it.
    if (mine.signal.aborted) return consumer.stop();
    running = { consumer, dispatcher };
    loss = undefined;
    changed();
  }

  async function unsubscribe(): Promise<void> {
    stopping.abort();
    await running?.consumer.stop();
    running = undefined;
    changed();
  }

  function inTurn<T>(run: () => Promise<T>): Promise<T> {
    const mine = turn.then(run);
    turn = mine.catch(() => undefined);
    return mine;
  }

  const operated = (run: () => Promise<void>): Promise<void> =>
    inTurn(async () => {
      checkOperated();
      await run();
    });

  /** It runs, or does not, as is wanted by now. */
  async function bringAbout(): Promise<void> {
    if (!isPaused()) {
      if (running) return;
      await subscribe();
      observe({ type: 'resumed', subscription: what });
    } else if (running) {
      await unsubscribe();
      observe({ type: 'paused', subscription: what });
    }
  }

  /** Tells that the consumer did not come back, and throws why. */
  function lose(after: string, error: unknown, gaveUp: boolean): never {
    const { name, message } = failureOf(error, 0);
    loss = { reason: `could not be subscribed again after ${after}: ${name}: ${message}`, gaveUp };
    observe({
      type: 'warning',
      message: `${what} could not be subscribed again after ${after}, and takes nothing until it is resumed${gaveUp ? '' : '; trying again'}`,
      error,
    });
    changed();
    throw error;
  }

  async function comeBack(after: string): Promise<void> {
    if (!isOperated() || isPaused()) return;
    await subscribe().catch((error: unknown) => lose(after, error, true));
  }

  async function change(concurrency: number): Promise<void> {
    const before = maxUnsettled(options);
    options = { ...options, concurrency };
    const after = maxUnsettled(options);
    if (!running) return;
    const { consumer, dispatcher } = running;
    if (before === after || consumer.resize) {
      dispatcher.resize(concurrency);
      if (before !== after) consumer.resize!(after);
      return;
    }
    await unsubscribe();
    await comeBack('its concurrency was changed');
  }

  return {
    id,
    get state(): SubscriptionState {
      const { broadcast, concurrency } = options;
      return {
        ...id,
        broadcast,
        state: running ? 'running' : isPaused() ? 'paused' : 'stopped',
        concurrency,
      };
    },
    get told() {
      return told(options);
    },
    get idle() {
      if (running) return undefined;
      if (loss) return { name: what, ready: false, ...loss };
      if (!isPaused()) return { name: what, ready: false, reason: 'being subscribed' };
      return {
        name: what,
        ready: true,
        paused: true,
        ...(open.size > 0 && { reason: 'its circuit is open' }),
      };
    },
    start: () => inTurn(subscribe),
    halt() {
      stopping.abort();
      for (const end of circuits) end();
    },
    stop: (atOnce) => (atOnce ? unsubscribe() : inTurn(unsubscribe)),
    pause: () =>
      operated(async () => {
        paused = true;
        loss = undefined;
        await bringAbout();
      }),
    resume: () =>
      operated(async () => {
        const before = paused;
        paused = false;
        await bringAbout().catch((error: unknown) => {
          paused = before;
          throw error;
        });
      }),
    resize: (concurrency) =>
      operated(async () => {
        if (options.concurrency === concurrency) return;
        await change(concurrency);
        observe({ type: 'resized', subscription: what, concurrency });
      }),
    replay: (setBack) =>
      operated(async () => {
        if (!running) return setBack();
        await unsubscribe();
        checkOperated();
        try {
          await setBack();
        } catch (error) {
          // Its own failure is told there; this is what the caller asked for.
          await comeBack('a replay').catch(() => undefined);
          throw error;
        }
        await comeBack('a replay');
      }),
    pauseWhileOpen(circuit) {
      const mine = {};
      const settle = (): Promise<void> =>
        inTurn(async () => {
          if (isOperated()) await bringAbout();
        });
      const closed = async (): Promise<void> => {
        if (open.delete(mine)) observe({ type: 'circuit-closed', subscription: what });
        await settle().catch((error: unknown) => lose('its circuit closed', error, false));
      };
      const end = watchCircuit({
        ...circuit,
        clock,
        opened() {
          // At once: what fails from now on is excused.
          open.add(mine);
          observe({ type: 'circuit-opened', subscription: what });
          settle().catch((error: unknown) =>
            observe({ type: 'warning', message: `${what} could not be paused`, error }),
          );
        },
        closed,
      });
      circuits.add(end);
      return () => {
        end();
        circuits.delete(end);
        if (open.has(mine)) closed().catch(() => undefined);
      };
    },
  };
}
