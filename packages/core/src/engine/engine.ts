import {
  ClosedError,
  systemClock,
  type Broker,
  type Clock,
  type ExaminationOptions,
  type Finding,
  type Health,
  type HealthPart,
  type Topology,
  type Transport,
} from '../contract/index.js';
import type { HandlerDeclaration } from './admission.js';
import { createBacklogs, type Backlog } from './backlog.js';
import { jsonCodec, type Codec } from './codec.js';
import { createDeadLetterOffice, type DeadLetterOffice } from './dead-letter-office.js';
import { deferred, type Deferred } from './deferred.js';
import { toAll, type Observer } from './events.js';
import { examineConnection } from './examination.js';
import {
  explainConnection,
  usageOf,
  type ExplainedConnection,
  type PublicationDeclaration,
} from './explanation.js';
import { failureOf } from './failure.js';
import type { HandlerDefaults } from './handler-options.js';
import { createHealthMemory } from './health.js';
import { followedBy, type Instruments } from './instruments.js';
import { createPublisher, type PendingPublishes, type Publisher } from './publisher.js';
import { createSubscriptions, type HandlerSpec, type Subscriptions } from './subscriptions.js';

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
  /** What traces and measures. Nothing is done for it where it is left out. */
  readonly instruments?: Instruments;
}

/** Whether the connection is of use now, and whether it can be again. */
export interface EngineHealth extends Health {
  /** It works, or tries to: another process would do no better. */
  readonly live: boolean;
  readonly publishing: PendingPublishes;
}

/** One broker connection of an application: what publishes, what handles, and its beginning and end. */
export interface Engine {
  readonly connection: string;
  readonly transport: string;
  /** What the broker accepted survives its restart. */
  readonly durable: boolean;
  readonly publish: Publisher['publish'];
  readonly deadLetters: DeadLetterOffice;
  readonly subscriptions: Pick<
    Subscriptions,
    'pause' | 'resume' | 'resize' | 'pauseWhileOpen' | 'replay' | 'list'
  >;
  /**
   * Adds a handler; before `start`.
   * @throws {ConfigurationError | RegistrationError | UnsupportedError} if it cannot be served
   */
  register(handler: HandlerSpec): void;
  /** What these would be on the broker, and why not. Asks it nothing, and registers nothing. */
  explain(
    handlers: readonly HandlerDeclaration[],
    publications: readonly PublicationDeclaration[],
  ): ExplainedConnection;
  /** Asks the broker nothing. @throws {MessagingError} whatever refuses one of these first */
  check(handlers: readonly HandlerDeclaration[], publications: readonly PublicationDeclaration[]): void;
  /**
   * Makes these on the broker, whatever `topology` the engine has, and handles nothing. By a connection of its own.
   * @throws {MessagingError} whatever refuses one of them first; then nothing is made
   */
  establish(
    handlers: readonly HandlerDeclaration[],
    publications: readonly PublicationDeclaration[],
  ): Promise<void>;
  /** Looks at the live broker on behalf of these, by a connection of its own; makes nothing, and takes no message. */
  examine(
    handlers: readonly HandlerDeclaration[],
    publications: readonly PublicationDeclaration[],
    options?: ExaminationOptions,
  ): Promise<readonly Finding[]>;
  /** Connects and subscribes; deliveries wait for `open`. */
  start(): Promise<void>;
  /** Lets handlers run. */
  open(): void;
  /** Stops taking and waits for running handlers; answers whether all ended within `ms`. */
  drain(ms: number): Promise<boolean>;
  /** Waits for publishes under way, then closes. Later publishes reject. */
  close(): Promise<void>;
  /** Asks no broker, and answers at once. */
  health(): Promise<EngineHealth>;
  /** Asks the broker, no oftener than every five seconds and for no longer. Never rejects. */
  backlog(): Promise<readonly Backlog[]>;
}

export function createEngine(options: EngineOptions): Engine {
  const { broker, connection, service, namespace, instruments } = options;
  const observe = instruments?.observe ? toAll(options.observe, instruments.observe) : toAll(options.observe);
  const following = instruments && followedBy(instruments);
  const clock = options.clock ?? systemClock;
  const codec = options.codec ?? jsonCodec;
  const open = (topology: Topology, report: Observer): Transport =>
    broker.open({
      connection,
      service,
      namespace,
      topology,
      connectTimeout: options.connectTimeout,
      clock,
      report,
    });
  let looking = false;
  const transport = open(options.topology, (event) => {
    observe(event);
    lookSoon();
  });
  const remembered = createHealthMemory(clock);

  let running = false;
  let failure: unknown;
  const started = deferred();
  // Whoever publishes sees the rejection; without a publisher nobody need.
  started.promise.catch(() => undefined);
  /** Handlers wait for it; gone once they may run. */
  let opening: Deferred<void> | undefined = deferred();
  const letHandlersRun = (): void => {
    opening?.resolve();
    opening = undefined;
  };
  let draining = false;
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
    following,
  });

  const subscriptions = createSubscriptions({
    transport,
    service,
    namespace,
    defaults: options.defaults,
    codec,
    maxBodySize: options.maxBodySize,
    clock,
    observe,
    opening: () => opening?.promise,
    deadline: deadline.signal,
    following,
    changed: lookSoon,
  });
  const backlog = createBacklogs(transport, () => subscriptions.lasting(), clock);

  function application(): HealthPart {
    const name = 'application';
    if (draining) return { name, ready: false, reason: 'shutting down' };
    if (failure !== undefined) {
      const { name: error, message } = failureOf(failure, 0);
      return { name, ready: false, reason: `could not start: ${error}: ${message}`, gaveUp: true };
    }
    return running ? { name, ready: true } : { name, ready: false, reason: 'not started' };
  }

  async function look(): Promise<HealthPart[]> {
    const { parts } = await transport.health();
    return remembered.look([application(), ...parts, ...subscriptions.idle()], running && !draining);
  }

  /** Something has happened that may have changed health; many things at a time are one look. */
  function lookSoon(): void {
    if (looking) return;
    looking = true;
    setImmediate(() => {
      looking = false;
      // Whoever asks next is told.
      look().catch(() => undefined);
    });
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
    deadLetters: createDeadLetterOffice(transport.deadLetters, clock),
    subscriptions,
    register: (handler) => subscriptions.register(handler),
    explain: (handlers, publications) => explainConnection({ ...options, transport }, handlers, publications),
    check: (handlers, publications) => void usageOf({ ...options, transport }, handlers, publications),
    examine: (handlers, publications, looking) =>
      examineConnection(
        { ...options, transport },
        () => open(options.topology, observe),
        handlers,
        publications,
        looking,
      ),
    async establish(handlers, publications) {
      const usage = usageOf({ ...options, transport }, handlers, publications);
      const making = open('create', observe);
      try {
        await making.connect();
        await making.establish(usage);
      } finally {
        await making.close();
      }
    },
    publish(kind, target, payload, publishOptions) {
      return closing
        ? Promise.reject(new ClosedError('the application has shut down: nothing more can be published'))
        : publisher.publish(kind, target, payload, publishOptions);
    },
    async start() {
      try {
        await transport.connect();
        await subscriptions.start();
        if (closing) throw new ClosedError('the application was closed while it started');
        running = true;
        started.resolve();
      } catch (error) {
        failure = error;
        started.reject(error);
        throw error;
      } finally {
        lookSoon();
      }
    },
    open: letHandlersRun,
    async drain(ms) {
      draining = true;
      lookSoon();
      const stopped = subscriptions.stop().then(() => true);
      letHandlersRun();
      const late = deferred<false>();
      const cancel = clock.schedule(() => late.resolve(false), ms);
      try {
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
      const parts = await look();
      return {
        ready: parts.every(({ ready }) => ready),
        live: !parts.some(({ gaveUp }) => gaveUp),
        parts,
        publishing: publisher.pending(),
      };
    },
    backlog,
  };
}
