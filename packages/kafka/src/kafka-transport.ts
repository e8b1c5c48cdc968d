import { setMaxListeners } from 'node:events';
import {
  ClosedError,
  ConfigurationError,
  ConnectionError,
  describeSubscription,
  pause,
  PublishRejectedError,
  TopologyError,
  within,
  type Capabilities,
  type DeadLetterStore,
  type Environment,
  type HealthPart,
  type OutgoingMessage,
  type Subscription,
  type SubscriptionId,
  type Transport,
} from '@nest-messaging/core/contract';
import { backlog } from './backlog.js';
import { createConnection, type Connection } from './connection.js';
import type { Consumer } from './consumer.js';
import { createDeadLetters } from './dead-letters.js';
import { MAX_DELAY, nextHop } from './delays.js';
import { checkCompression } from './driver/compression.js';
import { DriverError } from './driver/driver-error.js';
import type { Client, Driver } from './driver/driver.js';
import { openDriver } from './driver/open.js';
import { requestError } from './errors.js';
import type { Sharing } from './group/assign.js';
import { examine } from './examination.js';
import { createMembership, type Holder, type Membership } from './group/membership.js';
import type { ResolvedOptions } from './options.js';
import { createPlanner } from './planner.js';
import { createProducer } from './producer/producer.js';
import { checkSize } from './producer/size.js';
import { createPublisher, type Outgoing, type Publisher } from './publisher.js';
import { createRelay } from './relay.js';
import { replay } from './replay.js';
import { retrying } from './retrying.js';
import { establish, subscribe, type EstablishParts, type SubscribeParts } from './subscribe.js';
import { createTopics, type Topics } from './topics.js';
import { delayNames, delayTopics, destinationTopic, subscriptionNames, type Owner } from './topology.js';
import { delayed, toRecord } from './wire.js';

/** Nothing on the broker bounds how long a record may be worked on; this is as long as a timer of Node can be. */
const MAX_HOLD = 24 * 24 * 60 * 60 * 1_000;
/** Of each request, in milliseconds. */
const REQUEST_TIMEOUT = 10_000;

const capabilitiesOf = ({ maxBodySize }: ResolvedOptions): Capabilities => ({
  durable: true,
  ordered: 'native',
  maxDelay: MAX_DELAY,
  patterns: 'emulated',
  broadcast: 'native',
  maxHold: MAX_HOLD,
  maxBodySize,
  countsDeliveries: false,
  replay: 'native',
});

/** What there is once it is connected. */
interface Open {
  readonly driver: Driver;
  readonly connection: Connection;
  readonly topics: Topics;
  /** What the application publishes, and what consumers and relays send on: those do not wait behind these. */
  readonly messages: Publisher;
  readonly copies: Publisher;
  readonly deadLetters: DeadLetterStore;
}

/** One application's connections to Kafka: to look, to publish, to copy, and for each subscription one to consume. */
export function openKafka(options: ResolvedOptions, environment: Environment): Transport {
  const { clock, report, service, topology, connectTimeout } = environment;
  const owner: Owner = environment;
  const shown = options.brokers.join(',');
  const capabilities = capabilitiesOf(options);
  const consumers = new Map<Consumer, string>();
  /** Those that join their groups for the first time. */
  const joining = new Set<Consumer>();
  /** By what they belong to: a group, or this service. */
  const relays = new Map<string, { readonly consumer: Consumer; joined: boolean }>();
  /** Those whose topics are just being looked for, or made. */
  const beginning = new Map<string, Promise<void>>();
  /** Why those have not begun that are tried again. */
  const hindered = new Map<string, string>();
  /** Names of consumer groups in use, so that two subscriptions that happen to make the same name do not share one. */
  const groups = new Map<string, string>();
  /** Aborts when nothing more is waited for. */
  const abandoned = new AbortController();
  const closed = new AbortController();
  // All that is copied listens to them, which Node 20 takes for a leak.
  setMaxListeners(0, abandoned.signal, closed.signal);
  let state: 'new' | 'open' | 'closed' = 'new';
  let opened: Open | undefined;
  let opening: Promise<Open> | undefined;
  let closing: Promise<void> | undefined;

  const checkOpen = (): Open => {
    if (state === 'open' && opened) return opened;
    throw new ClosedError(
      state === 'closed' ? 'the transport is closed' : `Kafka at ${shown} is not connected yet`,
    );
  };

  /** Answers what gives the name back. */
  const claim = (subscription: Subscription, what: string): (() => void) => {
    if (subscription.broadcast) return () => undefined;
    const { group } = subscriptionNames(owner, subscription);
    const other = groups.get(group);
    if (other !== undefined && other !== what)
      throw new TopologyError(
        `${what} and ${other} would share consumer group '${group}': rename a group or a topic`,
      );
    groups.set(group, what);
    return () => void groups.delete(group);
  };

  const connectionHealth = (): HealthPart => {
    const name = `Kafka at ${shown}`;
    if (!opened || state === 'closed')
      return { name, ready: false, reason: state === 'closed' ? 'closed' : 'not connected yet' };
    const part = opened.connection.health();
    const blocked = opened.messages.blocked ?? opened.copies.blocked;
    return part.ready && blocked !== undefined ? { name, ready: false, reason: blocked } : part;
  };

  const consumerHealth = ([consumer, name]: [Consumer, string]): HealthPart => {
    const reason = opened?.connection.up ? consumer.problem : 'Kafka cannot be reached';
    return {
      name,
      ready: reason === undefined,
      ...(reason === undefined ? {} : { reason }),
      lag: consumer.lag,
    };
  };

  /** Of no interest while they do their work. */
  const relayHealth = (): HealthPart[] => {
    const troubles = [...relays].flatMap(([waiter, { joined, consumer }]) =>
      joined && consumer.problem !== undefined ? [[waiter, consumer.problem] as const] : [],
    );
    return [...troubles, ...hindered].map(([waiter, reason]) => ({
      name: `delays of '${waiter}'`,
      ready: false,
      reason,
    }));
  };

  const warn = (message: string, error: unknown): void => report({ type: 'warning', message, error });

  const open = async (): Promise<Open> => {
    let suspect = (): void => undefined;
    await checkCompression(options.compression);
    const driver = await openDriver(options.driver, {
      brokers: options.brokers,
      clientId: service,
      tls: options.tls,
      sasl: options.sasl,
      // Of one attempt: whoever accepts a connection and then says nothing is tried anew.
      connectTimeout: Math.min(connectTimeout, REQUEST_TIMEOUT),
      requestTimeout: REQUEST_TIMEOUT,
      vendor: options.client,
      onDisconnect: () => suspect(),
    });
    const connection = createConnection({
      client: driver.client(),
      brokers: options.brokers,
      timeout: connectTimeout,
      clock,
      report,
    });
    suspect = () => connection.suspect();
    const topics = createTopics(connection.client, topology);
    const publisher = (linger: number): Publisher =>
      createPublisher({
        producer: () => createProducer(driver.client(), options.compression),
        connection,
        topics,
        linger,
        requestTimeout: REQUEST_TIMEOUT,
        clock,
        report,
      });
    const copies = publisher(0);
    return {
      driver,
      connection,
      topics,
      messages: publisher(options.linger),
      copies,
      deadLetters: createDeadLetters({
        owner,
        client: connection.client,
        publisher: copies,
        clock,
        report,
        closed: closed.signal,
      }),
    };
  };

  const join = (
    client: Client,
    group: string,
    holder: Holder,
    topics: () => Promise<readonly string[]>,
    sharing: Sharing = 'even',
  ): Membership =>
    createMembership({
      client,
      group,
      sharing,
      holder,
      topics,
      sessionTimeout: options.sessionTimeout,
      rebalanceTimeout: options.rebalanceTimeout,
      discovery: options.discovery,
      clock,
      warn,
    });

  const beginRelay = async ({ driver, connection, topics, copies }: Open, waiter: string): Promise<void> => {
    const names = delayNames(owner, waiter);
    const needs = delayTopics(names, options);
    // Of topics that are not there yet the leader of its group shares out nothing, and would look again only after
    // `discovery`.
    await retrying(
      clock,
      closed.signal,
      () => topics.ensure(needs),
      (error) => connection.suspect(error),
    );
    hindered.delete(waiter);
    if (state !== 'open') return;
    const client = driver.client();
    const consumer = createRelay({
      client,
      names,
      needs,
      // One process can well pass on all there is, and while nothing moves nothing stands still.
      join: (holder) => join(client, names.group, holder, async () => names.levels, 'settled'),
      publisher: copies,
      clock,
      abandoned: abandoned.signal,
      report,
      warn,
    });
    const entry = { consumer, joined: false };
    relays.set(waiter, entry);
    consumer.start().then(
      () => (entry.joined = true),
      (error: unknown) => {
        entry.joined = true;
        if (state === 'open') warn(`what waits in '${names.group}' is not passed on by this process`, error);
      },
    );
  };

  /**
   * Whoever delays has the relay run, and so has every member of a group whose retries wait.
   * @throws {TopologyError} if a topic of it is missing and may not be created
   */
  const relay = async (now: Open, waiter: string): Promise<void> => {
    if (relays.has(waiter) || state !== 'open') return;
    const begun =
      beginning.get(waiter) ?? beginRelay(now, waiter).finally(() => void beginning.delete(waiter));
    beginning.set(waiter, begun);
    await begun;
  };

  /** As soon as it can be: topics that are missing may be made by another process, and what waits there is this one's, too. */
  const startRelay = async (now: Open, waiter: string): Promise<void> => {
    for (let told = false; !closed.signal.aborted; told = true) {
      try {
        return await relay(now, waiter);
      } catch (error) {
        // Whoever was hindered first goes on trying.
        if (closed.signal.aborted || (!told && hindered.has(waiter))) return;
        if (!told)
          warn(
            `what waits in '${delayNames(owner, waiter).group}' is not passed on by this process; trying again`,
            error,
          );
        hindered.set(waiter, (error as Error).message);
        await pause(clock, options.discovery, closed.signal);
      }
    }
  };

  /**
   * What this service has delayed may still be waiting, and whichever process did it may be gone: once there are topics
   * for it, each process takes part. Who may not see them has delayed nothing.
   */
  const watchDelays = async (now: Open): Promise<void> => {
    const { levels } = delayNames(owner, service);
    const look = (): Promise<ReadonlyMap<string, unknown>> =>
      now.connection.client.leaders(levels.slice(0, 1));
    while (!closed.signal.aborted && !relays.has(service)) {
      const there = await retrying(clock, closed.signal, look).catch(() => undefined);
      if (!there) return;
      if (there.size > 0) return startRelay(now, service);
      await pause(clock, options.discovery, closed.signal);
    }
  };

  /** How each message of the application leaves it. */
  const route = (message: OutgoingMessage): Outgoing => {
    const target = destinationTopic(owner, message.destination, options);
    const record = toRecord(target.name, message);
    if (message.delay <= 0) return { record: () => record, needs: [target] };
    const names = delayNames(owner, service);
    const due = clock.now() + message.delay;
    return {
      record: () => {
        const hop = nextHop(due, clock.now());
        if (!hop) return record;
        return delayed(record, { topic: names.levels[hop.level]!, due, until: hop.until, to: target.name });
      },
      needs: [target, ...delayTopics(names, options)],
    };
  };

  const refusal = (id: SubscriptionId, error: unknown): unknown =>
    requestError(options.brokers, subscriptionNames(owner, id).group, describeSubscription(id), error);

  /** Asks about a subscription. @throws {ConnectionError | ClosedError | TopologyError} and nothing of the driver's */
  const about = async <T>(id: SubscriptionId, ask: (now: Open) => Promise<T>): Promise<T> => {
    const now = checkOpen();
    try {
      return await ask(now);
    } catch (error) {
      throw refusal(id, error);
    }
  };

  /** Asks again while another time may be better, in bounded time. */
  const patiently = async <T>(what: string, ask: () => Promise<T>): Promise<T> => {
    let last = new DriverError('TIMEOUT', `no answer within ${connectTimeout} ms`, { retryable: true });
    try {
      return await within(
        connectTimeout,
        clock,
        (signal) => retrying(clock, signal, ask, (error) => (last = error)),
        () => last,
        closed.signal,
      );
    } catch (error) {
      throw requestError(options.brokers, service, what, error);
    }
  };

  /** Runs what makes a subscription, with a client of its own, in bounded time. */
  const making = async <T>(
    now: Open,
    subscription: Subscription,
    what: string,
    make: (parts: EstablishParts & Pick<SubscribeParts, 'onJoining'>) => Promise<T>,
  ): Promise<T> => {
    const client = now.driver.client();
    let last: DriverError | undefined;
    let consumer: Consumer | undefined;
    try {
      return await within(
        connectTimeout,
        clock,
        (signal) =>
          make({
            owner,
            subscription,
            what,
            options,
            client,
            publisher: now.copies,
            signal,
            onJoining: (one) => joining.add((consumer = one)),
            failed: (error) => {
              last = error;
              now.connection.suspect(error);
            },
            topics: now.topics,
            clock,
            report,
          }),
        () =>
          new ConnectionError(
            `${what} could not be made within ${connectTimeout} ms: Kafka at ${shown} ${last ? `answered ${last.message}` : 'does not answer'}`,
            { cause: last },
          ),
        closed.signal,
      );
    } catch (error) {
      // What joins leaves first: the broker would wait for a member that only hangs up until its session is over, and
      // let the others wait with it.
      await consumer?.abandon();
      await client.close();
      throw requestError(options.brokers, subscriptionNames(owner, subscription).group, what, error);
    } finally {
      if (consumer) joining.delete(consumer);
    }
  };

  const close = async (): Promise<void> => {
    state = 'closed';
    closed.abort(new ClosedError('the transport is closed'));
    const now = await opening?.catch(() => undefined);
    if (!now) return;
    // Settlements still need the publisher of copies.
    await Promise.all([
      now.messages.close(),
      ...[...joining, ...consumers.keys()].map((consumer) => consumer.abandon()),
      ...[...relays.values()].map(({ consumer }) => consumer.abandon()),
    ]);
    consumers.clear();
    abandoned.abort(new ClosedError('the transport was closed before the copy was confirmed'));
    await now.copies.close();
    await now.connection.close();
  };

  const deadLetters: DeadLetterStore = {
    check: (id) => about(id, (now) => now.deadLetters.check(id)),
    async *browse(id, browsing) {
      const now = checkOpen();
      try {
        yield* now.deadLetters.browse(id, browsing);
      } catch (error) {
        throw refusal(id, error);
      }
    },
    redrive: (id, taking) => about(id, (now) => now.deadLetters.redrive(id, taking)),
    purge: (id, taking) => about(id, (now) => now.deadLetters.purge(id, taking)),
    restore: (id, letter, signal) => about(id, (now) => now.deadLetters.restore(id, letter, signal)),
  };

  return {
    name: 'kafka',
    capabilities,
    planner: createPlanner(owner, options),
    deadLetters,
    async connect() {
      if (state === 'closed') checkOpen();
      opening ??= open();
      const now = await opening;
      await now.connection.open();
      if (state === 'closed') checkOpen();
      opened = now;
      state = 'open';
      void watchDelays(now);
    },
    async publish(message, signal) {
      const now = checkOpen();
      signal.throwIfAborted();
      if (message.brokerOptions !== undefined)
        throw new ConfigurationError('a publish has no options under kafka: leave them out');
      const outgoing = route(message);
      checkSize(outgoing.record(), options.maxBodySize);
      // Before the message: joining its group takes longer, and what is delayed by little would be late. What it is
      // refused for, the message is refused for, too.
      if (message.delay > 0) void relay(now, service).catch(() => undefined);
      try {
        await now.messages.send(outgoing, signal);
      } catch (error) {
        if (topology === 'create' || !(error instanceof TopologyError)) throw error;
        throw new PublishRejectedError(error.message, { cause: error });
      }
    },
    async subscribe(subscription, handle) {
      const now = checkOpen();
      const what = describeSubscription(subscription);
      const disclaim = claim(subscription, what);
      const consumer = await making(now, subscription, what, (parts) =>
        subscribe({
          ...parts,
          handle,
          join: (group, holder, topics) => join(parts.client, group, holder, topics),
          abandoned: abandoned.signal,
        }),
      ).catch((error: unknown) => {
        disclaim();
        throw error;
      });
      if (closing) {
        await consumer.abandon();
        checkOpen();
      }
      consumers.set(consumer, what);
      if (!subscription.broadcast) void startRelay(now, subscription.group);
      return {
        resize: (maxUnsettled) => consumer.resize(maxUnsettled),
        stop: async () => {
          await consumer.stop();
          consumers.delete(consumer);
          disclaim();
        },
      };
    },
    backlog: (subscription) =>
      about(subscription, (now) => backlog(now.connection.client, owner, subscription)),
    async examine(usage) {
      const { client } = checkOpen().connection;
      // The first question about a group has Kafka make the topic of all groups, and is refused until that is there.
      return patiently(`the examination for service '${service}'`, () =>
        examine({ owner, options, topology, client }, usage),
      );
    },
    async establish({ subscriptions, publications, delays }) {
      const now = checkOpen();
      for (const subscription of subscriptions.filter(({ broadcast }) => !broadcast))
        await making(now, subscription, describeSubscription(subscription), async (parts) => {
          await establish(parts);
          await parts.client.close();
        });
      const needs = [
        ...publications.map(({ destination }) => destinationTopic(owner, destination, options)),
        ...(delays ? delayTopics(delayNames(owner, service), options) : []),
      ];
      await patiently(`what service '${service}' publishes to`, () => now.topics.ensure(needs));
    },
    replay: (id, from) => about(id, (now) => replay(now.connection.client, owner, id, from)),
    close() {
      closing ??= close();
      return closing;
    },
    async health() {
      const parts = [connectionHealth(), ...relayHealth(), ...[...consumers].map(consumerHealth)];
      return { ready: parts.every(({ ready }) => ready), parts };
    },
  };
}
