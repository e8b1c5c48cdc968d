import { setMaxListeners } from 'node:events';
import {
  ClosedError,
  ConfigurationError,
  ConnectionError,
  createTurnstile,
  describeSubscription,
  MessageTooLargeError,
  MessagingError,
  pause,
  PublishRejectedError,
  TopologyError,
  UnsupportedError,
  within,
  type Capabilities,
  type Destination,
  type Environment,
  type HealthPart,
  type OutgoingMessage,
  type Subscription,
  type SubscriptionId,
  type Transport,
} from '@nest-messaging/core/contract';
import { createBroadcasts } from './broadcasts.js';
import { createClients } from './clients.js';
import { createConnection } from './connection.js';
import { createConsumer, type Consumer, type ConsumerParts } from './consumer.js';
import { createDeadLetters } from './dead-letters.js';
import {
  connectionError,
  isCredentials,
  isMissing,
  isRetryable,
  missing,
  shown,
  topologyError,
} from './errors.js';
import { examine } from './examination.js';
import { createReceiver, currentIntake } from './intake.js';
import { delayName, queueName, subscriptionQueue, topicName, type Owner } from './names.js';
import { handlerOptions, type ResolvedOptions } from './options.js';
import { createPatience } from './patience.js';
import { createPayloads } from './payloads.js';
import { createPlanner } from './planner.js';
import { createQueues, type Queue, type Queues } from './queues.js';
import { passedOn, relayOn } from './relay.js';
import { checkFitsTopic, createSending } from './sending.js';
import { subscribe, type Running } from './subscribe.js';
import { createTopics, type Topics } from './topics.js';
import { createWelcome } from './welcome.js';
import { toParcel, type Marks, type Parcel } from './wire.js';
import { delaySeconds, workOn } from './work.js';

/** Longest delay, in milliseconds. */
const MAX_DELAY = 7 * 24 * 60 * 60 * 1_000;
/** SQS lets a message be kept from others for 12 hours in all. */
const MAX_HOLD = 11 * 60 * 60 * 1_000;
/** Messages that wait for the rest of a second in the relay. */
const RELAYED = 100;

/** A message on its way: it has its place among those of its key, or has left. */
interface Begun {
  readonly sent: Promise<void>;
}

/** For who makes a subscription and leaves it to others. */
const TAKES_NOTHING: Consumer = {
  problem: undefined,
  resize: () => {},
  stop: async () => {},
  abandon: async () => {},
};

const capabilitiesOf = ({ maxBodySize }: ResolvedOptions): Capabilities => ({
  durable: true,
  ordered: 'native',
  orderedByContractOnly: true,
  maxDelay: MAX_DELAY,
  patterns: 'emulated',
  broadcast: 'emulated',
  maxHold: MAX_HOLD,
  maxBodySize,
  countsDeliveries: false,
  replay: false,
});

/** Where the services are, for people. */
function whereOf({ sqs: { endpoint, region } }: ResolvedOptions): string {
  const given =
    typeof endpoint === 'string'
      ? endpoint
      : (process.env['AWS_ENDPOINT_URL_SQS'] ?? process.env['AWS_ENDPOINT_URL']);
  // The origin alone: a person could have written a password before it.
  if (given !== undefined) return URL.canParse(given) ? new URL(given).origin : 'an endpoint that is no URL';
  return `region ${typeof region === 'string' ? region : (process.env['AWS_REGION'] ?? 'of the profile')}`;
}

/** One application's way to SNS and SQS. */
export function openAws(options: ResolvedOptions, environment: Environment): Transport {
  const { clock, topology, connectTimeout, service } = environment;
  const report: Environment['report'] = (event) =>
    environment.report('error' in event ? { ...event, error: shown(event.error) } : event);
  const owner: Owner = environment;
  const intake = currentIntake();
  // A queue of one process alone is nothing that Lambda could poll.
  const capabilities = { ...capabilitiesOf(options), ...(intake ? { broadcast: false as const } : {}) };
  const { sns, sqs, polling, looking, destroy } = createClients(options);
  const where = whereOf(options);
  const warn = (message: string, error: unknown): void => report({ type: 'warning', message, error });
  const connection = createConnection({ sns, where, timeout: connectTimeout, clock, report });
  const queues = createQueues(sqs, topology);
  const topics = createTopics({ sns, topology, welcome: createWelcome({ owner, sns, queues, warn }) });
  const broadcasts = createBroadcasts({ sns, sqs, queues, clock });
  const sendingBy = { sns, sqs, connection, linger: options.linger, clock };
  const sending = createSending(sendingBy);
  /** Of what was received: they go on when publishing ends. */
  const copies = createSending(sendingBy);
  const { maxBodySize, largePayloads } = options;
  const payloads = createPayloads({ options: largePayloads, maxBodySize, topology, clock });
  const turnAt = createTurnstile();
  const running = new Set<Running>();
  const abandoned = new AbortController();
  const closed = new AbortController();
  // All that waits listens to them, which Node 20 takes for a leak.
  setMaxListeners(0, abandoned.signal, closed.signal);
  let relay: Consumer | undefined;
  let state: 'new' | 'open' | 'closed' = 'new';
  let closing: Promise<void> | undefined;

  const deadLetters = createDeadLetters({
    owner,
    sqs: looking,
    queues,
    sending: copies,
    payloads,
    clock,
    report,
    closed: closed.signal,
  });

  const checkOpen = (): void => {
    if (state === 'open') return;
    throw new ClosedError(
      state === 'closed' ? 'the transport is closed' : `SNS and SQS at ${where} are not connected yet`,
    );
  };

  const patiently = createPatience({
    clock,
    failed: (error) => connection.failed(error),
    closed: closed.signal,
  });

  const consume = (
    queue: Queue,
    parts: Pick<ConsumerParts, 'work' | 'maxInHand' | 'warn' | 'alone'>,
  ): Consumer =>
    intake
      ? createReceiver(intake, queue.name, parts)
      : createConsumer({
          polling,
          sqs,
          queue,
          connection,
          visibilityTimeout: options.visibilityTimeout,
          longPoll: options.longPoll,
          linger: options.linger,
          clock,
          ...parts,
        });

  const delayQueue = (): Promise<Queue> =>
    queues.ensure(delayName(owner), {
      what: `what service '${service}' publishes with a delay`,
      tags: { 'nest-messaging:service': service },
    });

  /** What this service has published with a delay is passed on by any of its processes. */
  const startRelay = (queue: Queue): void => {
    if (relay || state !== 'open') return;
    const work = relayOn({
      owner,
      queue,
      topics,
      queues,
      sending: copies,
      clock,
      abandoned: abandoned.signal,
      warn,
    });
    relay = consume(queue, { work, maxInHand: RELAYED, warn });
  };

  /** Another process of this service may have delayed something, and be gone: each process takes part. */
  const watchDelays = async (): Promise<void> => {
    const name = delayName(owner);
    while (!closed.signal.aborted && !relay) {
      // Not reached, or not allowed: who may not see it has delayed nothing.
      const queue = await queues.find(name).catch(() => undefined);
      if (queue) return startRelay(queue);
      await pause(clock, options.discovery, closed.signal);
    }
  };

  /** Someone may have deleted what this process has found or made: once more from the start. */
  const mending = async (
    where: Pick<Topics | Queues, 'forget'>,
    name: string,
    run: () => Promise<void>,
  ): Promise<void> => {
    try {
      await run();
    } catch (error) {
      if (!isMissing((error as Error).cause)) throw error;
      where.forget(name);
      queues.forget(delayName(owner));
      await run();
    }
  };

  const findQueue = (queue: string, ordered: boolean): Promise<Queue> =>
    queues.ensure(queueName(owner, queue, ordered), {
      what: `queue '${queue}'`,
      tags: { 'nest-messaging:service': service, 'nest-messaging:queue': queue },
    });
  const findTopic = (event: string, ordered: boolean): Promise<string> =>
    topics.ensure(topicName(owner, event, ordered), `topic '${event}'`);
  const find = ({ kind, name }: Destination, ordered: boolean): Promise<unknown> =>
    kind === 'queue' ? findQueue(name, ordered) : findTopic(name, ordered);

  const publish = async (message: OutgoingMessage, signal: AbortSignal): Promise<void> => {
    const { destination, ordered, delay, key } = message;
    const due = clock.now() + delay;
    const place = { key: key ?? message.id, deduplication: message.id };
    /** What is on its way to S3, or looks for its place for the first time, holds up those of its key behind it. */
    const inOrder = async (begin: () => Promise<Begun>): Promise<void> => {
      const leave = ordered ? await turnAt(`${destination.name} ${place.key}`, signal) : undefined;
      let begun: Begun;
      try {
        begun = await begin();
      } finally {
        leave?.();
      }
      await begun.sent;
    };
    const send = async (marks: Marks, via: (parcel: Parcel) => Promise<void>): Promise<Begun> => {
      const parcel = toParcel(message, marks);
      const stored = await payloads.store(parcel, message.contentType, signal);
      return { sent: via(stored) };
    };
    const toQueue = (
      { url }: Queue,
      marks: Marks,
      check: (parcel: Parcel) => void = () => {},
    ): Promise<Begun> =>
      send(marks, (parcel) => {
        check(parcel);
        return sending.toQueue(url, parcel, place, delaySeconds(due - clock.now()), signal);
      });
    /** Neither SNS nor a FIFO queue delays a single message. */
    const later = async (to: Marks['to'], check?: (parcel: Parcel) => void): Promise<Begun> => {
      if (intake && !intake.delays)
        throw new UnsupportedError(
          `'${destination.name}' cannot be published with a delay in Lambda, which runs nothing that would pass it on when it is due: make queue '${delayName(owner)}' an event source of the function, or run another process of service '${service}', and say so with createLambdaHandler(…, { delays: true })`,
        );
      const queue = await patiently(signal, delayQueue);
      const { sent } = await toQueue(queue, { due, to, ...(key === undefined ? {} : { key }) }, check);
      return { sent: sent.then(() => startRelay(queue)) };
    };
    if (destination.kind === 'queue') {
      const name = queueName(owner, destination.name, ordered);
      const begin = async (): Promise<Begun> => {
        const queue =
          queues.known(name) ?? (await patiently(signal, () => findQueue(destination.name, ordered)));
        if (delay > 0 && ordered) return later({ kind: 'queue', name });
        return toQueue(queue, delay > 0 ? { due } : {});
      };
      return mending(queues, name, () => inOrder(begin));
    }
    const name = topicName(owner, destination.name, ordered);
    const begin = async (): Promise<Begun> => {
      const arn = topics.known(name) ?? (await patiently(signal, () => findTopic(destination.name, ordered)));
      if (delay > 0)
        // SQS takes four times as much: what SNS refused when it is due would be tried again for ever.
        return later({ kind: 'topic', name }, ({ body, attributes }) =>
          checkFitsTopic(arn, passedOn({ Body: body, MessageAttributes: { ...attributes } })),
        );
      return send({}, (parcel) => sending.toTopic(arn, parcel, place, signal));
    };
    return mending(topics, name, () => inOrder(begin));
  };

  const close = async (): Promise<void> => {
    const before = state;
    state = 'closed';
    closed.abort(new ClosedError('the transport is closed'));
    await Promise.all([
      before === 'open' ? sending.close() : undefined,
      ...[...running].map((one) => one.abandon()),
      relay?.abandon(),
    ]);
    running.clear();
    // Settlements first: what was decided at this moment begins its copy a turn later.
    abandoned.abort(new ClosedError('the transport was closed before the copy was confirmed'));
    await copies.close();
    connection.close();
    payloads.close();
    destroy();
  };

  /** What asking for dead letters failed with, in the module's own words. */
  const refusal = (id: SubscriptionId, error: unknown, signal: AbortSignal | undefined): unknown => {
    if (state === 'closed') return new ClosedError('the transport is closed', { cause: shown(error) });
    if (error instanceof MessagingError || (signal?.aborted && error === signal.reason)) return error;
    return isRetryable(error)
      ? connectionError(where, error)
      : topologyError(`dead letters of ${describeSubscription(id)}`, 'sqs:ReceiveMessage', error);
  };

  const administering = async <T>(
    id: SubscriptionId,
    work: () => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    checkOpen();
    try {
      return await work();
    } catch (error) {
      throw refusal(id, error, signal);
    }
  };

  /** Whoever starts an application mends its credentials, and is told at once. */
  const orRefused = async <T>(work: () => Promise<T>): Promise<T> => {
    try {
      return await work();
    } catch (error) {
      throw isCredentials(error) ? connectionError(where, error) : error;
    }
  };

  /** Makes what a start needs, in bounded time; fails in the module's own words. */
  const making = async <T>(
    what: string,
    make: (patient: <Made>(work: () => Promise<Made>) => Promise<Made>) => Promise<T>,
  ): Promise<T> => {
    try {
      return await within(
        connectTimeout,
        clock,
        (signal) => make((work) => patiently(signal, () => orRefused(work))),
        () =>
          new ConnectionError(
            `${what} could not be made within ${connectTimeout} ms: SNS and SQS at ${where} do not answer`,
          ),
      );
    } catch (error) {
      throw error instanceof MessagingError ? error : connectionError(where, error);
    }
  };

  const makingSubscription = async (
    subscription: Subscription,
    take: (queue: Queue, dead: Queue | undefined, what: string) => Consumer,
  ): Promise<Running> => {
    handlerOptions(subscription.brokerOptions);
    const what = describeSubscription(subscription);
    return making(what, (patient) =>
      subscribe({
        owner,
        subscription,
        what,
        topology,
        sns,
        topics,
        queues,
        broadcasts,
        // Nothing runs between two invocations.
        discovery: intake ? undefined : options.discovery,
        clock,
        patiently: patient,
        consume: (queue, dead) => take(queue, dead, what),
        failed: (error) => connection.failed(error),
      }),
    );
  };

  const makingDelays = (): Promise<Queue> =>
    making(`queue '${delayName(owner)}'`, (patient) => patient(delayQueue));

  const healthOf = ({ problem, what: name }: Running): HealthPart => {
    const reason = connection.up ? problem : 'SNS and SQS cannot be reached';
    return { name, ready: reason === undefined, ...(reason === undefined ? {} : { reason }) };
  };

  /** Of no interest while it does its work, or the connection has more to say. */
  const relayHealth = (): HealthPart[] => {
    const reason = connection.up ? relay?.problem : undefined;
    return reason === undefined ? [] : [{ name: `delays of '${service}'`, ready: false, reason }];
  };

  return {
    name: 'aws',
    capabilities,
    planner: createPlanner(owner, options, capabilities),
    deadLetters: {
      check: (id) => administering(id, () => deadLetters.check(id)),
      async *browse(id, browsing) {
        checkOpen();
        try {
          yield* deadLetters.browse(id, browsing);
        } catch (error) {
          throw refusal(id, error, browsing?.signal);
        }
      },
      redrive: (id, taking) => administering(id, () => deadLetters.redrive(id, taking), taking?.signal),
      purge: (id, taking) => administering(id, () => deadLetters.purge(id, taking), taking?.signal),
      restore: (id, letter, signal) =>
        administering(id, () => deadLetters.restore(id, letter, signal), signal),
    },
    async connect() {
      if (state === 'closed') checkOpen();
      await connection.open();
      await within(
        connectTimeout,
        clock,
        (signal) => payloads.open(signal),
        () => new ConnectionError(`S3 does not answer within ${connectTimeout} ms`),
      );
      if (state === 'new') state = 'open';
      checkOpen();
      if (!intake) void watchDelays();
      else if (intake.delays) startRelay(await makingDelays());
    },
    async publish(message, signal) {
      checkOpen();
      signal.throwIfAborted();
      if (message.brokerOptions !== undefined)
        throw new ConfigurationError('a publish has no options under aws: leave them out');
      if (message.body.byteLength > options.maxBodySize)
        throw new MessageTooLargeError(
          `the body has ${message.body.byteLength} bytes: at most ${options.maxBodySize} are sent (aws.maxBodySize); publish a reference to it instead`,
        );
      try {
        await publish(message, signal);
      } catch (error) {
        if (signal.aborted) throw signal.reason;
        if (!(error instanceof MessagingError)) throw connectionError(where, error);
        if (topology === 'create' || !(error instanceof TopologyError)) throw error;
        throw new PublishRejectedError(error.message, { cause: error });
      }
    },
    async subscribe(subscription, handle) {
      checkOpen();
      const one = await makingSubscription(subscription, (queue, dead, what) =>
        consume(queue, {
          work: workOn({
            owner,
            subscription,
            what,
            queue,
            dead,
            handle,
            sending: copies,
            payloads,
            clock,
            abandoned: abandoned.signal,
            report,
          }),
          maxInHand: subscription.maxUnsettled,
          alone: subscription.broadcast,
          warn: (message, error) => warn(`${what}: ${message}`, error),
        }),
      );
      if (closing) {
        await one.abandon();
        checkOpen();
      }
      running.add(one);
      return {
        resize: (maxUnsettled) => one.resize(maxUnsettled),
        async stop() {
          await one.stop();
          running.delete(one);
        },
      };
    },
    backlog: (subscription) =>
      administering(subscription, async () => {
        const name = subscriptionQueue(owner, subscription);
        const queue = queues.known(name) ?? (await queues.find(name));
        if (!queue) throw missing(`queue '${name}' of ${describeSubscription(subscription)}`);
        return queues.waiting(queue);
      }),
    async examine(usage) {
      checkOpen();
      try {
        return await examine({ owner, topology, sqs: looking, queues, topics }, usage);
      } catch (error) {
        throw error instanceof MessagingError ? error : connectionError(where, error);
      }
    },
    async establish({ subscriptions, publications, delays }) {
      checkOpen();
      for (const subscription of subscriptions.filter(({ broadcast }) => !broadcast))
        await (await makingSubscription(subscription, () => TAKES_NOTHING)).stop();
      for (const { destination, ordered } of publications)
        await making(`${destination.kind} '${destination.name}'`, (patient) =>
          patient(() => find(destination, ordered)),
        );
      if (delays) await makingDelays();
    },
    close() {
      closing ??= close();
      return closing;
    },
    async health() {
      const parts = [connection.health(), ...relayHealth(), ...[...running].map(healthOf)];
      return { ready: parts.every(({ ready }) => ready), parts };
    },
  };
}
