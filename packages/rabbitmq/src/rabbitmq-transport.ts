import {
  ClosedError,
  describeSubscription,
  MessageTooLargeError,
  TopologyError,
  UnsupportedError,
  type Capabilities,
  type Clock,
  type Environment,
  type OutgoingMessage,
  type Transport,
} from '@nest-messaging/core/contract';
import { parseAddress } from './address.js';
import { waiting } from './backlog.js';
import { createConnection, type Connection } from './connection.js';
import { consume, type RabbitMqConsumer } from './consumer.js';
import { createDeadLetters } from './dead-letters.js';
import { createDeclarations } from './declarations.js';
import { allDelays, delayExchange, delayRoute, delays, dueAt, MAX_DELAY } from './delays.js';
import { lostConnection } from './errors.js';
import { examine } from './examination.js';
import { handlerOptions, publishOptions, type ResolvedOptions } from './options.js';
import { planAll } from './planned.js';
import { createPlanner } from './planner.js';
import { createPublisher, type Frame } from './publisher.js';
import {
  events,
  eventsExchange,
  planSubscription,
  publishedTo,
  queueName,
  workQueue,
  type Owner,
  type Resource,
} from './topology.js';
import { toProperties } from './wire.js';

/** RabbitMQ closes a channel on which a delivery stays unacknowledged for 30 minutes (`consumer_timeout`). */
const MAX_HOLD = 25 * 60 * 1_000;

const capabilitiesOf = ({ queueType, maxBodySize }: ResolvedOptions): Capabilities => ({
  durable: true,
  ordered: 'native',
  maxDelay: MAX_DELAY,
  patterns: 'native',
  broadcast: 'native',
  maxHold: MAX_HOLD,
  maxBodySize,
  countsDeliveries: queueType === 'quorum',
  replay: false,
});

/** How each message of the application leaves it. */
function createRouting(
  owner: Owner,
  { queueType }: ResolvedOptions,
  topology: Environment['topology'],
  clock: Clock,
): (message: OutgoingMessage) => () => Frame {
  const exchange = eventsExchange(owner);
  const exchangeNeeded = events(owner);
  const queuesNeeded = new Map<string, readonly Resource[]>();
  const queueNeeded = (name: string): readonly Resource[] => {
    // Where the module may not create the queue, the broker itself tells that it is missing.
    if (topology !== 'create') return [];
    let needed = queuesNeeded.get(name);
    if (!needed) queuesNeeded.set(name, (needed = workQueue(owner, name, queueType)));
    return needed;
  };

  /** @throws {ConfigurationError | UnsupportedError} for broker options that cannot be used */
  return (message) => {
    const { destination, delay } = message;
    const { buffer, byteOffset, byteLength } = message.body;
    // The same bytes: they are nobody else's until the publish has settled.
    const body = Buffer.isBuffer(message.body) ? message.body : Buffer.from(buffer, byteOffset, byteLength);
    const properties = toProperties(message, owner.service);
    const raw = publishOptions(message.brokerOptions);
    if (raw) {
      if (delay > 0)
        throw new UnsupportedError(
          `a publish to exchange '${raw.exchange}' cannot be delayed: delays lead to the module's own topics and queues`,
        );
      const routingKey = raw.routingKey ?? destination.name;
      const frame: Frame = { exchange: raw.exchange, routingKey, body, properties, needs: [] };
      return () => frame;
    }
    const toTopic = destination.kind === 'topic';
    const routingKey = toTopic ? destination.name : queueName(owner, destination.name);
    const needs = toTopic ? exchangeNeeded : queueNeeded(destination.name);
    const frame: Frame = {
      exchange: toTopic ? exchange : '',
      routingKey,
      body,
      properties: toTopic ? properties : { ...properties, mandatory: true },
      needs,
    };
    if (delay === 0) return () => frame;
    const due = clock.now() + delay;
    return () => {
      const left = due - clock.now();
      if (left <= 0) return frame;
      const { top, headers } = delayRoute(left, destination.kind);
      return {
        exchange: delayExchange(owner, top),
        routingKey,
        body,
        properties: { ...properties, mandatory: true, headers: { ...properties.headers, ...headers } },
        needs: [...needs, ...delays(owner, top), ...dueAt(owner, destination)],
      };
    };
  };
}

/** One application's connections to RabbitMQ: one to publish on, and another once it consumes. */
export function openRabbitMq(options: ResolvedOptions, environment: Environment): Transport {
  const { clock, report, topology, connectTimeout: timeout } = environment;
  const owner: Owner = environment;
  const capabilities = capabilitiesOf(options);
  const route = createRouting(owner, options, topology, clock);
  const address = parseAddress(options.url, options.client);
  const connectionFor = (purpose: string, tell = report): Connection =>
    createConnection({
      address,
      client: options.client,
      label: `${environment.service} ${purpose}`,
      timeout,
      clock,
      report: tell,
    });
  // Apart, because the broker stops reading a connection that publishes while one of its alarms is on, and with it the
  // acknowledgements that would relieve it. https://www.rabbitmq.com/docs/alarms
  const publishing = connectionFor('publishing');
  const consuming = connectionFor('consuming');
  const publishingDeclarations = createDeclarations(publishing, topology, report);
  const consumingDeclarations = createDeclarations(consuming, topology, report);
  const publisher = (): ReturnType<typeof createPublisher> =>
    createPublisher({ connection: publishing, declarations: publishingDeclarations, clock, report });
  const messages = publisher();
  // A channel of their own each: the broker closes the channel of a publish to a missing exchange, which here is the
  // caller's mistake, and consumers must not wait behind what is waiting to be published.
  const rawMessages = publisher();
  const copies = publisher();
  const deadLetters = createDeadLetters({
    owner,
    // Comes and goes with those who look, which is nothing to be told of.
    connect: () => connectionFor('looking at dead letters', () => {}),
    clock,
    publisher: copies,
    report,
  });
  const consumers = new Map<RabbitMqConsumer, string>();
  /** Names of queues in use, so that two subscriptions that happen to make the same name do not share one. */
  const queues = new Map<string, string>();
  const taken = new Set<string>();
  let state: 'new' | 'open' | 'closed' = 'new';
  let consumes = false;
  let closed: Promise<void> | undefined;
  let told = false;

  const checkOpen = (): void => {
    if (state === 'open') return;
    throw new ClosedError(
      state === 'new' ? `RabbitMQ at ${address.shown} is not connected yet` : 'the transport is closed',
    );
  };

  /** What `validate` cannot see, said once; and delays that will fail are better known now than at the first retry. */
  const tellLimits = async (): Promise<void> => {
    if (topology !== 'validate' || told) return;
    told = true;
    report({
      type: 'warning',
      message:
        "topology 'validate' sees whether exchanges and queues exist; their bindings, types and arguments cannot be read over AMQP",
    });
    const { model } = consuming;
    if (!model) return;
    try {
      await consumingDeclarations.ensure(model, allDelays(owner));
    } catch (error) {
      if (!(error instanceof TopologyError)) throw error;
      report({
        type: 'warning',
        message: 'not all delays can be had, and a retry or publish that needs one fails',
        error,
      });
    }
  };

  const close = async (): Promise<void> => {
    state = 'closed';
    // Settlements first: their copies still need the publishing connection.
    await Promise.all([
      messages.close(),
      rawMessages.close(),
      ...[...consumers.keys()].map((one) => one.abandon()),
    ]);
    consumers.clear();
    await copies.close();
    await Promise.all([publishing.close(), consuming.close(), deadLetters.close()]);
  };

  return {
    name: 'rabbitmq',
    capabilities,
    planner: createPlanner(owner, options, address.vhost),
    async connect() {
      if (state === 'closed') checkOpen();
      await publishing.open();
      if (state === 'new') state = 'open';
      checkOpen();
    },
    async publish(message, signal) {
      checkOpen();
      signal.throwIfAborted();
      if (message.body.byteLength > options.maxBodySize)
        throw new MessageTooLargeError(
          `the body has ${message.body.byteLength} bytes: at most ${options.maxBodySize} are sent (rabbitmq.maxBodySize); publish a reference to it instead`,
        );
      const frame = route(message);
      await (message.brokerOptions === undefined ? messages : rawMessages).send(frame, signal);
    },
    async subscribe(subscription, handle) {
      checkOpen();
      const plan = planSubscription(
        owner,
        subscription,
        handlerOptions(subscription.brokerOptions),
        options.queueType,
      );
      const what = describeSubscription(subscription);
      if (plan.queue !== undefined) {
        const other = queues.get(plan.queue);
        if (other !== undefined && other !== what)
          throw new TopologyError(
            `${what} and ${other} would share queue '${plan.queue}': rename a group or a topic`,
          );
        queues.set(plan.queue, what);
      }
      consumes = true;
      await consuming.open();
      await tellLimits();
      const consumer = await consume({
        owner,
        subscription,
        plan,
        handle,
        connection: consuming,
        declarations: consumingDeclarations,
        publisher: copies,
        taken,
        clock,
        timeout,
        topology,
        report,
      });
      if (closed) {
        await consumer.abandon();
        checkOpen();
      }
      consumers.set(consumer, what);
      return {
        resize: (maxUnsettled) => consumer.resize(maxUnsettled),
        stop: async () => {
          await consumer.stop();
          consumers.delete(consumer);
        },
      };
    },
    async backlog(subscription) {
      checkOpen();
      const own = handlerOptions(subscription.brokerOptions);
      const { queue } = planSubscription(owner, subscription, own, options.queueType);
      if (queue === undefined)
        throw new UnsupportedError(`${describeSubscription(subscription)} has no queue that lasts`);
      return waiting(publishing, queue, report);
    },
    async examine(usage, looking = {}) {
      checkOpen();
      const { model } = publishing;
      if (!model) throw lostConnection(address);
      const { queueType } = options;
      const { vhost, user } = address;
      return examine({ owner, queueType, vhost, user, topology, model, report }, usage, looking);
    },
    async establish({ subscriptions, publications, delays: delayed }) {
      checkOpen();
      const kept = subscriptions.filter(({ broadcast }) => !broadcast);
      const resources = [
        ...kept
          .map((subscription) => planAll(owner, subscription, options.queueType))
          .flatMap(({ atStart, whenNeeded }) => [...atStart, ...whenNeeded]),
        ...publications.flatMap(({ destination }) => publishedTo(owner, destination, options.queueType)),
        ...(delayed
          ? [...allDelays(owner), ...publications.flatMap(({ destination }) => dueAt(owner, destination))]
          : []),
      ];
      const { model } = publishing;
      if (!model) throw lostConnection(address);
      await publishingDeclarations.ensure(model, resources);
    },
    close() {
      closed ??= close();
      return closed;
    },
    async health() {
      const parts = [
        publishing.health(),
        // One that only publishes has no need of it, and is not the less ready.
        consumes || state !== 'open' ? consuming.health() : { name: consuming.health().name, ready: true },
        ...[...consumers.keys()].map((consumer) => consumer.health()),
      ];
      return { ready: parts.every(({ ready }) => ready), parts };
    },
    deadLetters,
  };
}
