import { randomBytes } from 'node:crypto';
import { DeleteQueueCommand, SQSClient } from '@aws-sdk/client-sqs';
import { SNSClient } from '@aws-sdk/client-sns';
import {
  ClosedError,
  ConfigurationError,
  ConnectionError,
  describeSubscription,
  isPattern,
  matches,
  MessageTooLargeError,
  PublishRejectedError,
  TopologyError,
  type Capabilities,
  type DeliveryHandler,
  type Environment,
  type HealthPart,
  type OutgoingMessage,
  type Subscription,
  type Transport,
} from '@nest-messaging/core/contract';
import { createBackoff, pause } from './backoff.js';
import { createConnection } from './connection.js';
import { createConsumer, type Consumer, type ConsumerParts } from './consumer.js';
import { createDeadLetters } from './dead-letters.js';
import { connectionError, isCredentials, isRetryable } from './errors.js';
import {
  delayName,
  eventOfTopic,
  lastName,
  livePrefix,
  queueName,
  subscriptionNames,
  topicName,
  type Owner,
} from './names.js';
import { handlerOptions, type ResolvedOptions } from './options.js';
import { createQueues, type Queue } from './queues.js';
import { relayOn } from './relay.js';
import { createSending } from './sending.js';
import { attach, detach } from './subscriptions.js';
import { createTopics } from './topics.js';
import { within } from './within.js';
import { toParcel } from './wire.js';
import { delaySeconds, workOn } from './work.js';

/** Longest delay, in milliseconds. */
const MAX_DELAY = 7 * 24 * 60 * 60 * 1_000;
/** SQS lets a message be kept from others for 12 hours in all. */
const MAX_HOLD = 11 * 60 * 60 * 1_000;
/** Sockets for long polls, one each: dozens of subscriptions must not wait for each other. */
const POLLING_SOCKETS = 1_000;
/** Messages that wait for the rest of a second in the relay. */
const RELAYED = 100;

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

interface Running {
  readonly what: string;
  readonly consumer: Consumer;
  end(): Promise<void>;
  abandon(): Promise<void>;
}

/** Where the services are, for people. */
function whereOf({ sqs: { endpoint, region } }: ResolvedOptions): string {
  if (typeof endpoint === 'string') return endpoint;
  const found = process.env['AWS_ENDPOINT_URL_SQS'] ?? process.env['AWS_ENDPOINT_URL'];
  if (found !== undefined) return found;
  return `region ${typeof region === 'string' ? region : (process.env['AWS_REGION'] ?? 'of the profile')}`;
}

/** One application's way to SNS and SQS. */
export function openAws(options: ResolvedOptions, environment: Environment): Transport {
  const { clock, report, topology, connectTimeout } = environment;
  const owner: Owner = environment;
  const capabilities = capabilitiesOf(options);
  const sns = new SNSClient(options.sns);
  // Queue URLs name a host of the service's own: what is configured is where to go, be it an emulator or a VPC endpoint.
  const own = { useQueueUrlAsEndpoint: false };
  const sqs = new SQSClient({ ...own, ...options.sqs });
  const polling = new SQSClient({
    ...own,
    requestHandler: {
      httpAgent: { maxSockets: POLLING_SOCKETS },
      httpsAgent: { maxSockets: POLLING_SOCKETS },
    },
    ...options.sqs,
  });
  const where = whereOf(options);
  const connection = createConnection({ sns, where, timeout: connectTimeout, clock, report });
  const topics = createTopics(sns, topology);
  const queues = createQueues(sqs, topology);
  const sending = createSending({ sns, sqs, connection, linger: options.linger, clock });
  const running = new Set<Running>();
  const abandoned = new AbortController();
  const closed = new AbortController();
  let relay: Promise<Running | undefined> | undefined;
  let state: 'new' | 'open' | 'closed' = 'new';
  let closing: Promise<void> | undefined;

  const deadLetters = createDeadLetters({ owner, sqs, queues, sending, closed: closed.signal });
  const warn = (message: string, error: unknown): void => report({ type: 'warning', message, error });

  const checkOpen = (): void => {
    if (state === 'open') return;
    throw new ClosedError(
      state === 'closed' ? 'the transport is closed' : `SNS and SQS at ${where} are not connected yet`,
    );
  };

  const patiently = async <T>(signal: AbortSignal, work: () => Promise<T>): Promise<T> => {
    const backoff = createBackoff(clock);
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (signal.aborted || isCredentials(error) || !isRetryable(error) || error instanceof TopologyError)
          throw error;
        connection.failed(error);
        await backoff.wait(signal);
      }
    }
  };

  const consume = (queue: Queue, parts: Pick<ConsumerParts, 'work' | 'maxInHand' | 'warn'>): Consumer =>
    createConsumer({
      polling,
      sqs,
      queue,
      connection,
      visibilityTimeout: options.visibilityTimeout,
      linger: options.linger,
      clock,
      ...parts,
    });

  /** What this service has published with a delay is passed on by any of its processes. */
  const startRelay = (make: boolean): void => {
    relay ??= (async () => {
      const name = delayName(owner);
      const queue = make ? await queues.ensure(name) : await queues.find(name);
      if (!queue || state !== 'open') {
        relay = undefined;
        return undefined;
      }
      const work = relayOn({ queue, topics, sending, clock, abandoned: abandoned.signal, warn });
      const consumer = consume(queue, { work, maxInHand: RELAYED, warn });
      return { what: name, consumer, end: () => consumer.stop(), abandon: () => consumer.abandon() };
    })().catch((error: unknown) => {
      relay = undefined;
      if (make) warn('what was published with a delay is not passed on by this process', error);
      return undefined;
    });
  };

  const publish = async (message: OutgoingMessage, signal: AbortSignal): Promise<void> => {
    const { destination, ordered } = message;
    const place = { key: message.key ?? message.id, deduplication: message.id };
    const due = clock.now() + message.delay;
    const left = (): number => due - clock.now();
    if (destination.kind === 'queue') {
      const queue = await patiently(signal, () => queues.ensure(queueName(owner, destination.name, ordered)));
      const marks = message.delay > 0 ? { due } : {};
      return sending.toQueue(queue.url, toParcel(message, marks), place, delaySeconds(left()), signal);
    }
    const name = topicName(owner, destination.name, ordered);
    const arn = await patiently(signal, () => topics.ensure(name));
    if (message.delay <= 0) return sending.toTopic(arn, toParcel(message), place, signal);
    const queue = await patiently(signal, () => queues.ensure(delayName(owner)));
    const to = { kind: 'topic', name } as const;
    const marks = { due, to, ...(message.key === undefined ? {} : { key: message.key }) };
    await sending.toQueue(queue.url, toParcel(message, marks), place, delaySeconds(left()), signal);
    startRelay(true);
  };

  /** Topics whose messages a subscription gets, with those that exist of both kinds. */
  const sources = async ({ source, ordered }: Subscription): Promise<string[]> => {
    const all = await topics.list();
    return all.filter((arn) => {
      const name = lastName(arn);
      const event = eventOfTopic(owner, name);
      if (event === undefined || (ordered && !name.endsWith('.fifo'))) return false;
      return isPattern(source.name) ? matches(source.name, event) : event === source.name;
    });
  };

  const subscribe = async (
    subscription: Subscription,
    handle: DeliveryHandler,
    signal: AbortSignal,
  ): Promise<Running> => {
    const { source, ordered, broadcast } = subscription;
    const given = handlerOptions(subscription.brokerOptions);
    const what = describeSubscription(subscription);
    const tags = {
      'nest-messaging:group': subscription.group,
      'nest-messaging:source': source.name.replace(/[*#]/g, '+'),
    };
    const names = subscriptionNames(owner, subscription, ordered);
    const queue = await patiently(signal, () =>
      queues.ensure(
        broadcast
          ? `${livePrefix(owner, subscription)}${randomBytes(4).toString('hex')}`
          : source.kind === 'queue'
            ? queueName(owner, source.name, ordered)
            : names.queue,
        tags,
      ),
    );
    const dead = broadcast ? undefined : await patiently(signal, () => queues.ensure(names.dead, tags));
    if (dead) await patiently(signal, () => queues.backstop(queue, dead));
    const attached = new Map<string, string>();
    const endpoint = await patiently(signal, () => queues.arn(queue));
    const attachAll = async (): Promise<void> => {
      const fresh = (await sources(subscription)).filter((arn) => !attached.has(arn));
      if (fresh.length === 0) return;
      await queues.admit(queue, fresh);
      for (const arn of fresh) attached.set(arn, await attach(sns, topology, arn, endpoint, given));
    };
    if (source.kind === 'topic') {
      if (!isPattern(source.name))
        await patiently(signal, () => topics.ensure(topicName(owner, source.name, ordered)));
      await patiently(signal, attachAll);
    }
    signal.throwIfAborted();
    const work = workOn({
      subscription,
      what,
      queue,
      dead,
      handle,
      sending,
      clock,
      abandoned: abandoned.signal,
      report,
    });
    const over = new AbortController();
    const consumer = consume(queue, {
      work,
      maxInHand: subscription.maxUnsettled,
      warn: (message, error) => warn(`${what}: ${message}`, error),
    });
    const discover = async (): Promise<void> => {
      for (;;) {
        await pause(clock, options.discovery, over.signal);
        if (over.signal.aborted) return;
        // Not reached, or not allowed: the next time is soon.
        await attachAll().catch((error: unknown) => connection.failed(error));
      }
    };
    if (source.kind === 'topic') void discover();
    const leave = async (): Promise<void> => {
      over.abort();
      if (!broadcast) return;
      const gone = [...attached.values()].map((arn) => detach(sns, arn));
      await Promise.allSettled([...gone, sqs.send(new DeleteQueueCommand({ QueueUrl: queue.url }))]);
    };
    return {
      what,
      consumer,
      async end() {
        await consumer.stop();
        await leave();
      },
      async abandon() {
        await consumer.abandon();
        await leave();
      },
    };
  };

  const close = async (): Promise<void> => {
    const before = state;
    state = 'closed';
    closed.abort(new ClosedError('the transport is closed'));
    const relaying = await relay;
    await Promise.all([
      ...[...running].map((one) => one.abandon()),
      ...(relaying ? [relaying.abandon()] : []),
      before === 'open' ? sending.close() : undefined,
    ]);
    running.clear();
    abandoned.abort(new ClosedError('the transport was closed before the copy was confirmed'));
    await sending.close();
    connection.close();
    for (const client of [sns, sqs, polling]) client.destroy();
  };

  const healthOf = ({ consumer, what: name }: Running): HealthPart => {
    const reason = connection.up ? consumer.problem : 'SNS and SQS cannot be reached';
    return { name, ready: reason === undefined, ...(reason === undefined ? {} : { reason }) };
  };

  return {
    name: 'aws',
    capabilities,
    deadLetters: {
      list: async (...about) => (checkOpen(), deadLetters.list(...about)),
      redrive: async (...about) => (checkOpen(), deadLetters.redrive(...about)),
      purge: async (...about) => (checkOpen(), deadLetters.purge(...about)),
    },
    async connect() {
      if (state === 'closed') checkOpen();
      await connection.open();
      if (state === 'new') state = 'open';
      checkOpen();
      startRelay(false);
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
        if (topology === 'create' || !(error instanceof TopologyError)) throw error;
        throw new PublishRejectedError(error.message, { cause: error });
      }
    },
    async subscribe(subscription, handle) {
      checkOpen();
      handlerOptions(subscription.brokerOptions);
      const what = describeSubscription(subscription);
      const one = await within(
        connectTimeout,
        clock,
        (signal) => subscribe(subscription, handle, signal),
        () =>
          new ConnectionError(
            `${what} could not be made within ${connectTimeout} ms: SNS and SQS at ${where} do not answer`,
          ),
      ).catch((error: unknown) => {
        throw error instanceof Error &&
          'code' in error &&
          typeof error.code === 'string' &&
          /^[A-Z_]+$/.test(error.code)
          ? error
          : connectionError(where, error);
      });
      if (closing) {
        await one.abandon();
        checkOpen();
      }
      running.add(one);
      return {
        async stop() {
          await one.end();
          running.delete(one);
        },
      };
    },
    close() {
      closing ??= close();
      return closing;
    },
    async health() {
      const parts = [connection.health(), ...[...running].map(healthOf)];
      return { ready: parts.every(({ ready }) => ready), parts };
    },
  };
}
