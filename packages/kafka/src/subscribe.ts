import {
  isPattern,
  matches,
  type Clock,
  type DeliveryHandler,
  type Subscription,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import { createConsumer, type Consumer } from './consumer.js';
import { keyOf } from './driver/by-topic.js';
import type { DriverError } from './driver/driver-error.js';
import type { Client, Partition, Position } from './driver/driver.js';
import type { Holder, Membership } from './group/membership.js';
import { createSolo } from './group/solo.js';
import { handlerOptions, type ResolvedOptions } from './options.js';
import { begin, resume } from './positions.js';
import type { Publisher } from './publisher.js';
import { retrying } from './retrying.js';
import { workOn } from './subscription.js';
import type { Topics } from './topics.js';
import { trim } from './trimming.js';
import {
  delayNames,
  matching,
  subscriptionNames,
  subscriptionTopics,
  topicName,
  type Owner,
} from './topology.js';
import { note } from './wire.js';

export interface SubscribeParts {
  readonly owner: Owner;
  readonly subscription: Subscription;
  /** The subscription in words. */
  readonly what: string;
  readonly handle: DeliveryHandler;
  readonly options: ResolvedOptions;
  /** Of its own: requests that the broker holds back hold up no other. */
  readonly client: Client;
  readonly publisher: Publisher;
  /** Aborts when it has taken too long. */
  readonly signal: AbortSignal;
  /** Told before it joins its group: whoever gives it up has it leave. */
  readonly onJoining: (consumer: Consumer) => void;
  /** Something failed that is tried again. */
  readonly failed: (error: DriverError) => void;
  readonly topics: Topics;
  readonly join: (group: string, holder: Holder, topics: () => Promise<readonly string[]>) => Membership;
  readonly clock: Clock;
  /** Aborts when the transport waits for nothing more. */
  readonly abandoned: AbortSignal;
  readonly report: (event: TransportEvent) => void;
}

/** What is gone before it was handled, for people. */
const gone = (what: string, { topic, partition, offset }: Position, earliest: number): string =>
  earliest > offset
    ? `${what} has a gap: records ${offset} to ${earliest - 1} of partition ${partition} of '${topic}' were deleted before they were handled; it goes on at ${earliest}`
    : `${what} has a gap: partition ${partition} of '${topic}' no longer reaches offset ${offset}; it goes on at ${earliest}`;

/** What making a subscription takes, without reading it. */
export type EstablishParts = Pick<
  SubscribeParts,
  | 'owner'
  | 'subscription'
  | 'what'
  | 'options'
  | 'client'
  | 'publisher'
  | 'signal'
  | 'failed'
  | 'topics'
  | 'clock'
  | 'report'
>;

/** The topics that a subscription reads now. */
async function sourcesOf({ owner, subscription: { source }, client }: EstablishParts): Promise<string[]> {
  return isPattern(source.name)
    ? matching(owner, (event) => matches(source.name, event), await client.topics())
    : [topicName(owner, source)];
}

/**
 * Makes a subscription: its topics, and where its group begins, so that what is published from then on waits for it.
 * @throws {TopologyError} if something is missing or refused
 * @throws {DriverError} if Kafka cannot be reached, or refuses the group
 */
export async function establish(parts: EstablishParts): Promise<void> {
  const { owner, subscription, what, options, client, clock } = parts;
  const { source, broadcast } = subscription;
  const { from = 'now' } = handlerOptions(subscription.brokerOptions);
  const { all, copies } = subscriptionTopics(owner, subscription, options);
  const patiently = <T>(work: () => Promise<T>): Promise<T> =>
    retrying(clock, parts.signal, work, parts.failed);
  await patiently(() => parts.topics.ensure(all));
  await patiently(() => client.connect());
  if (broadcast) return;
  const names = subscriptionNames(owner, subscription);
  const { how, noted } = await patiently(async () =>
    begin({
      client,
      group: names.group,
      topics: await sourcesOf(parts),
      own: names.retry,
      // Work is kept until there is a worker.
      from: source.kind === 'queue' ? 'beginning' : from,
    }),
  );
  if (how === 'forgotten')
    parts.report({
      type: 'gap',
      subscription: what,
      message: `${what} has a gap: Kafka has forgotten its positions, as it does after offsets.retention.minutes without a process; it goes on with the oldest that is kept`,
    });
  if (!noted)
    await parts.publisher.send(
      { record: () => note(names.retry, 0, 'begun', { at: clock.now() }), needs: copies },
      parts.signal,
    );
}

/**
 * Makes a subscription and reads it. Resolves when what is published from now on will be delivered.
 * @throws {TopologyError} if something is missing or refused
 * @throws {DriverError} if Kafka cannot be reached, or refuses the group
 */
export async function subscribe(parts: SubscribeParts): Promise<Consumer> {
  const { owner, subscription, what, options, client, clock, report } = parts;
  const { source, group, broadcast } = subscription;
  await establish(parts);
  const names = broadcast ? undefined : subscriptionNames(owner, subscription);
  const delays = delayNames(owner, group);
  const { copies } = subscriptionTopics(owner, subscription, options);
  const patiently = <T>(work: () => Promise<T>): Promise<T> =>
    retrying(clock, parts.signal, work, parts.failed);
  const sources = (): Promise<string[]> => sourcesOf(parts);
  const onGap = (position: Position, earliest: number): void =>
    report({ type: 'gap', subscription: what, message: gone(what, position, earliest) });
  const onPassedOver = (message: string, error: unknown): void =>
    report({ type: 'gap', subscription: what, message: `${what}: ${message}`, error });

  const warn = (message: string, error: unknown): void =>
    report({ type: 'warning', message: `${what}: ${message}`, error });
  /** Nobody but its workers reads it. */
  const queue = source.kind === 'queue' ? [topicName(owner, source)] : [];

  const consumer = createConsumer({
    client,
    clock,
    maxInHand: subscription.maxUnsettled,
    ...workOn({ ...parts, names, delays, needs: copies }),
    ...(names
      ? {
          join: (holder) => parts.join(names.group, holder, async () => [...(await sources()), names.retry]),
          positions: (partitions) => resume({ client, group: names.group, partitions, onGap }),
        }
      : {
          join: (holder) =>
            createSolo({ client, holder, topics: sources, discovery: options.discovery, clock }),
          positions: await patiently(async () => live(client, await sources())),
        }),
    ...(names
      ? {
          alongside: (signal) =>
            trim({ client, group: names.group, topics: [...queue, names.retry], clock, signal, warn }),
        }
      : {}),
    onGap,
    onPassedOver,
    warn,
  });

  parts.signal.throwIfAborted();
  parts.onJoining(consumer);
  try {
    await consumer.start();
  } catch (error) {
    await consumer.stop();
    throw error;
  }
  return consumer;
}

/** A broadcast's positions are nobody's but its own: the ends at its beginning, and whatever is found later from its first record. */
async function live(
  client: Client,
  topics: readonly string[],
): Promise<(partitions: readonly Partition[]) => Promise<Position[]>> {
  const ends = new Map<string, number>();
  await askForEach(topics, async (topic) => {
    const offsets = await client.offsets(topic, 'latest');
    offsets.forEach((offset, partition) => ends.set(keyOf({ topic, partition }), offset));
  });
  return async (partitions) =>
    partitions.map((partition) => {
      const key = keyOf(partition);
      const offset = ends.get(key) ?? 0;
      // A topic that is made anew under the same name begins with its first record.
      ends.delete(key);
      return { ...partition, offset };
    });
}
