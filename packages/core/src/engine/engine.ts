import { inspect } from 'node:util';
import {
  ClosedError,
  describeSubscription,
  RegistrationError,
  subscriptionName,
  systemClock,
  type Broker,
  type Clock,
  type Consumer,
  type DeadLetterStore,
  type Destination,
  type EventContract,
  type Health,
  type Topology,
} from '../contract/index.js';
import { jsonCodec, type Codec } from './codec.js';
import { deferred } from './deferred.js';
import { createDispatcher, type Invoke } from './dispatcher.js';
import type { Observer } from './events.js';
import type { HandlerDefaults, HandlerOptions, ResolvedHandlerOptions } from './handler-options.js';
import { resolveHandlerOptions, retriesInPlace } from './handler-options.js';
import { createPublisher, type Publisher } from './publisher.js';
import { checkRequirements } from './requirements.js';

/** Messages that wait behind a retry in place, beyond which the subscription pauses. */
const MAX_HELD = 1_000;

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

/** All times in milliseconds. */
export interface EngineOptions {
  readonly broker: Broker;
  /** The connection's name, for messages to people. */
  readonly connection: string;
  readonly service: string;
  readonly namespace?: string;
  readonly topology: Topology;
  readonly connectTimeout: number;
  readonly publish: {
    readonly timeout: number;
    readonly maxPending: number;
    readonly maxPendingBytes: number;
  };
  readonly maxBodySize: number;
  readonly defaults: readonly (HandlerDefaults | undefined)[];
  readonly codec?: Codec;
  readonly clock?: Clock;
  readonly observe: Observer;
}

/** One broker connection of an application: what publishes, what handles, and its beginning and end. */
export interface Engine {
  readonly connection: string;
  readonly transport: string;
  /** What the broker accepted survives its restart. */
  readonly durable: boolean;
  readonly publish: Publisher['publish'];
  readonly deadLetters: DeadLetterStore;
  /**
   * Adds a handler; before `start`.
   * @throws {ConfigurationError | RegistrationError | UnsupportedError} if it cannot be served
   */
  register(handler: HandlerSpec): void;
  /** Connects and subscribes; deliveries wait for `open`. */
  start(): Promise<void>;
  /** Lets handlers run. */
  open(): void;
  /** Stops taking and waits for running handlers; answers whether all ended within `ms`. */
  drain(ms: number): Promise<boolean>;
  /** Waits for publishes under way, then closes. Later publishes reject. */
  close(): Promise<void>;
  health(): Promise<Health>;
}

interface Registered extends HandlerSpec {
  readonly resolved: ResolvedHandlerOptions;
}

/** Whoever looks on must not change what happens: its errors are told to Node, and go no further. */
function harmless(observe: Observer): Observer {
  return (event) => {
    try {
      observe(event);
    } catch (error) {
      process.emitWarning(`an observer of messaging failed: ${inspect(error)}`);
    }
  };
}

export function createEngine(options: EngineOptions): Engine {
  const { broker, connection, service, namespace } = options;
  const observe = harmless(options.observe);
  const clock = options.clock ?? systemClock;
  const codec = options.codec ?? jsonCodec;
  const transport = broker.open({
    connection,
    service,
    namespace,
    topology: options.topology,
    connectTimeout: options.connectTimeout,
    clock,
    report: observe,
  });

  const handlers = new Map<string, Registered>();
  let consumers: Consumer[] = [];
  let running = false;
  const started = deferred();
  // Whoever publishes sees the rejection; without a publisher nobody need.
  started.promise.catch(() => undefined);
  const opened = deferred();
  const draining = new AbortController();
  const deadline = new AbortController();

  const publisher = createPublisher({
    transport,
    codec,
    source: namespace === undefined ? `/${service}` : `/${namespace}/${service}`,
    maxBodySize: options.maxBodySize,
    limit: { messages: options.publish.maxPending, bytes: options.publish.maxPendingBytes },
    timeout: options.publish.timeout,
    clock,
    observe,
    starting: () => (running ? undefined : started.promise),
  });

  function register(handler: HandlerSpec): void {
    const resolved = resolveHandlerOptions(
      handler.options,
      {
        group: handler.defaultGroup ?? service,
        ordered: handler.contract?.ordered ?? false,
        transport: transport.name,
        label: handler.label,
      },
      ...options.defaults,
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
    handlers.set(key, { ...handler, resolved });
  }

  async function subscribe({ source, contract, resolved, invoke }: Registered): Promise<Consumer> {
    return transport.subscribe(
      {
        source,
        group: resolved.group,
        ordered: resolved.ordered,
        broadcast: resolved.broadcast,
        maxUnsettled: retriesInPlace(resolved)
          ? Math.max(MAX_HELD, resolved.concurrency)
          : resolved.concurrency,
        brokerOptions: resolved.brokerOptions,
      },
      createDispatcher({
        options: resolved,
        contract,
        invoke,
        codec,
        maxBodySize: options.maxBodySize,
        maxHold: transport.capabilities.maxHold,
        maxDelay: transport.capabilities.maxDelay,
        clock,
        observe,
        opened: opened.promise,
        draining: draining.signal,
        deadline: deadline.signal,
      }),
    );
  }

  let closing: Promise<void> | undefined;
  async function close(): Promise<void> {
    started.reject(new ClosedError('the application was closed before it had started'));
    await publisher.flush();
    await transport.close();
  }

  return {
    connection,
    transport: transport.name,
    durable: transport.capabilities.durable,
    deadLetters: transport.deadLetters,
    register,
    publish(kind, target, payload, publishOptions) {
      return closing
        ? Promise.reject(new ClosedError('the application has shut down: nothing more can be published'))
        : publisher.publish(kind, target, payload, publishOptions);
    },
    async start() {
      try {
        await transport.connect();
        const results = await Promise.allSettled([...handlers.values()].map(subscribe));
        consumers = results.filter((result) => result.status === 'fulfilled').map((result) => result.value);
        const failed = results.find((result) => result.status === 'rejected');
        if (failed) throw failed.reason;
        if (closing) throw new ClosedError('the application was closed while it started');
        running = true;
        started.resolve();
      } catch (error) {
        started.reject(error);
        throw error;
      }
    },
    open: () => opened.resolve(),
    async drain(ms) {
      draining.abort();
      opened.resolve();
      const late = deferred<false>();
      const cancel = clock.schedule(() => late.resolve(false), ms);
      try {
        const stopped = Promise.all(consumers.map((consumer) => consumer.stop())).then(() => true);
        return await Promise.race([stopped, late.promise]);
      } finally {
        cancel();
        deadline.abort(
          new ClosedError(`the application is shutting down and its drain time of ${ms} ms has passed`),
        );
      }
    },
    close() {
      closing ??= close();
      return closing;
    },
    async health() {
      const { parts } = await transport.health();
      const reason = draining.signal.aborted ? 'shutting down' : running ? undefined : 'not started';
      const all = [{ name: 'application', ready: reason === undefined, reason }, ...parts];
      return { ready: all.every(({ ready }) => ready), parts: all };
    },
  };
}
