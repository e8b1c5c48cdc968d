import type { SNSClient } from '@aws-sdk/client-sns';
import {
  isPattern,
  matches,
  pause,
  type Clock,
  type Subscription,
  type Topology,
} from '@nest-messaging/core/contract';
import { attach } from './attach.js';
import type { Broadcasts } from './broadcasts.js';
import type { Consumer } from './consumer.js';
import { isMissing, missing } from './errors.js';
import { changedFilter, filterTags } from './filter-tags.js';
import {
  eventOfTopic,
  isFifo,
  lastName,
  livePrefix,
  subscriptionNames,
  subscriptionQueue,
  topicName,
  topicsOf,
  type Owner,
} from './names.js';
import { handlerOptions } from './options.js';
import type { Queue, Queues } from './queues.js';
import type { Topics } from './topics.js';
import { tagsOf } from './welcome.js';

export interface SubscribeParts {
  readonly owner: Owner;
  readonly subscription: Subscription;
  /** The subscription in words. */
  readonly what: string;
  readonly topology: Topology;
  readonly sns: SNSClient;
  readonly topics: Topics;
  readonly queues: Queues;
  readonly broadcasts: Broadcasts;
  /** Milliseconds between two looks for topics and subscriptions; undefined where they are looked for once. */
  readonly discovery: number | undefined;
  readonly clock: Clock;
  /** Tries again while the services cannot be reached. */
  readonly patiently: <T>(work: () => Promise<T>) => Promise<T>;
  /** Begins to take from the queue; dead letters go to `dead`, or nowhere. */
  readonly consume: (queue: Queue, dead: Queue | undefined) => Consumer;
  /** Such a look failed. */
  readonly failed: (error: unknown) => void;
}

/** A subscription in this process. */
export interface Running {
  readonly what: string;
  /** Why it does not work now; undefined while it does. */
  readonly problem: string | undefined;
  /** From now on so many messages are worked on at a time. */
  resize(maxInHand: number): void;
  /** Takes nothing more; resolves when all that is in hand has ended. */
  stop(): Promise<void>;
  /** As `stop`, but what is not decided yet is made visible at once. */
  abandon(): Promise<void>;
}

/**
 * Makes a subscription and takes from it. Resolves when what is published from now on will be delivered.
 * @throws {TopologyError} if something is missing or refused
 */
export async function subscribe(parts: SubscribeParts): Promise<Running> {
  const { owner, subscription, what, topology, sns, topics, queues, broadcasts, clock, patiently } = parts;
  const { source, ordered, broadcast } = subscription;
  const options = handlerOptions(subscription.brokerOptions);
  const tags = tagsOf(subscription, owner.service);
  const filter = filterTags(options);
  const raw = !isPattern(source.name);
  const over = new AbortController();
  /** Subscriptions by their topics, both by their ARNs: those that were seen longest ago first. */
  const attached = new Map<string, string>();
  // A broadcast's queue cannot be there before its process.
  const may: Topology = broadcast ? 'create' : topology;

  /** ARNs of the topics there are. */
  const sources = async (): Promise<string[]> => {
    if (isPattern(source.name))
      return (await topics.list()).filter((arn) => {
        const event = eventOfTopic(owner, lastName(arn));
        return event !== undefined && matches(source.name, event) && (!ordered || isFifo(arn));
      });
    const exact = (fifo: boolean): string => topicName(owner, source.name, fifo);
    const made =
      topology === 'create'
        ? await topics.ensure(exact(ordered), `topic '${source.name}'`)
        : await topics.find(exact(ordered));
    // What an event with an order publishes is of interest without it, too.
    const sibling = ordered ? undefined : await topics.find(exact(true));
    const found = [made, sibling].filter((arn) => arn !== undefined);
    if (found.length === 0) throw missing(`topic '${exact(ordered)}' of ${what}`);
    return found;
  };

  /**
   * A queue that exists may tell another policy. SQS allows few requests for tags, of all in an account: none is made for
   * who has no policy and had none.
   */
  const tellFilter = async (): Promise<void> => {
    const changed = changedFilter(await queues.tags(queue), filter);
    if (Object.keys(changed).length > 0) await queues.tag(queue, changed);
  };
  const attachment = { ...options, raw, ...(broadcast ? {} : { unfiltered: tellFilter }) };

  const attachTo = async (endpoint: string, arn: string): Promise<void> => {
    const known = attached.get(arn);
    const note = (subscription: string | undefined): void => {
      attached.delete(arn);
      if (subscription !== undefined) attached.set(arn, subscription);
    };
    try {
      note(await attach(sns, may, arn, endpoint, attachment, known));
    } catch (error) {
      const gone = isMissing((error as Error).cause);
      note(gone ? undefined : known);
      if (gone) topics.forget(lastName(arn));
      throw error;
    }
  };

  const attachAll = async (endpoint: string): Promise<void> => {
    const found = await sources();
    for (const arn of attached.keys()) if (!found.includes(arn)) attached.delete(arn);
    for (const arn of found) if (!attached.has(arn)) await attachTo(endpoint, arn);
  };

  /**
   * AWS deletes a topic's subscriptions with it; they are none of a new one of its name, though they can still be asked
   * for meanwhile. To subscribe once more changes nothing where all is well, and is a request: one a look, for each topic
   * in its turn. https://docs.aws.amazon.com/sns/latest/dg/sns-delete-subscription-topic.html
   */
  const verify = async (endpoint: string): Promise<void> => {
    const [arn] = attached.keys();
    if (arn !== undefined) await attachTo(endpoint, arn);
  };

  const makeQueue = async (): Promise<Queue> => {
    if (!broadcast)
      return queues.ensure(subscriptionQueue(owner, subscription), { what, tags: { ...tags, ...filter } });
    const prefix = livePrefix(owner, subscription);
    // Whoever cannot remove the dead ones can work all the same.
    await broadcasts.sweep(prefix, await sources()).catch(parts.failed);
    return broadcasts.make(prefix, what, tags, over.signal);
  };

  const discover = async (endpoint: string, every: number): Promise<void> => {
    for (;;) {
      await pause(clock, every, over.signal);
      if (over.signal.aborted) return;
      if (may === 'create') await verify(endpoint).catch(parts.failed);
      await attachAll(endpoint).catch(parts.failed);
    }
  };

  const leave = async (): Promise<void> => {
    over.abort();
    if (broadcast) await broadcasts.remove(queue, attached.values()).catch(parts.failed);
  };

  const queue = await patiently(makeQueue);
  try {
    const dead = broadcast
      ? undefined
      : await patiently(() =>
          queues.ensure(subscriptionNames(owner, subscription, ordered).dead, { what, tags }),
        );
    if (dead && topology === 'create') await patiently(() => queues.backstop(queue, dead));
    if (source.kind === 'topic' && may !== 'none') {
      const endpoint = await patiently(() => queues.arn(queue));
      if (may === 'create') await patiently(() => queues.admit(queue, topicsOf(owner, source.name, ordered)));
      if (topology === 'create' && !broadcast && options.filterPolicy) await patiently(tellFilter);
      await patiently(() => attachAll(endpoint));
      if (parts.discovery !== undefined && (isPattern(source.name) || !ordered || may === 'create'))
        void discover(endpoint, parts.discovery);
    }
    const consumer = parts.consume(queue, dead);
    return {
      what,
      get problem() {
        return consumer.problem;
      },
      resize: (maxInHand) => consumer.resize(maxInHand),
      async stop() {
        await consumer.stop();
        await leave();
      },
      async abandon() {
        await consumer.abandon();
        await leave();
      },
    };
  } catch (error) {
    await leave();
    throw error;
  }
}
