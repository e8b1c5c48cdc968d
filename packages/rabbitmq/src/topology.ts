import {
  destinationName,
  isPattern,
  MARKER,
  subscriptionName,
  UnsupportedError,
  type Destination,
  type Environment,
  type Subscription,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import type { RabbitMqHandlerOptions } from './options.js';

/** Something on the broker that must be there. What is `foreign` is never created, only looked for. */
export type Resource =
  | {
      readonly kind: 'exchange';
      readonly name: string;
      readonly type: 'topic' | 'fanout' | 'direct' | 'headers';
      readonly arguments?: Arguments;
      readonly foreign?: boolean;
    }
  | {
      readonly kind: 'queue';
      readonly name: string;
      readonly arguments?: Arguments;
      readonly foreign?: boolean;
    }
  | {
      readonly kind: 'binding';
      readonly from: string;
      readonly to: { readonly queue: string } | { readonly exchange: string };
      readonly key: string;
      readonly arguments?: Arguments;
    };

export type Arguments = Readonly<Record<string, string | number | boolean>>;
export type QueueType = 'quorum' | 'classic';

/** Who the module acts for, as far as names on the broker depend on it. */
export type Owner = Pick<Environment, 'namespace' | 'service'>;

/**
 * Constants of the format: what an application can configure is no queue argument, so that a changed option never
 * meets a queue that refuses it. The broker's own limit would delete messages nobody handled (20 returns, from
 * RabbitMQ 4.0 on); it cannot be turned off in a way that both 3.10 and 4 take, so it is as high as it goes.
 */
export const ARGUMENTS = {
  quorum: { 'x-queue-type': 'quorum', 'x-delivery-limit': 2_147_483_647 },
  // Said aloud, because a virtual host may have another default.
  classic: { 'x-queue-type': 'classic' },
} as const;

export const eventsExchange = ({ namespace }: Pick<Owner, 'namespace'>): string => namespace ?? 'events';

export const queueName = ({ namespace }: Pick<Owner, 'namespace'>, name: string): string =>
  destinationName(namespace, { kind: 'queue', name });

const ORDERED = `${MARKER}ordered`;

export const deadQueue = ({ namespace }: Pick<Owner, 'namespace'>, id: SubscriptionId): string =>
  `${subscriptionName(namespace, id)}${MARKER}dead`;

/** What the module calls the queue that a subscription takes from; a queue of one order has a name of its own. */
export const ownQueues = ({ namespace }: Pick<Owner, 'namespace'>, id: SubscriptionId): readonly string[] => {
  const base = subscriptionName(namespace, id);
  return [base, `${base}${ORDERED}`];
};

/** What the module has for itself: no handler takes from these. */
const MODULE_QUEUE = new RegExp(`${MARKER}(dead|suspect|turn|strays|sink|delay-\\d+|live-[^.]+)$`);

/**
 * Where the dead letters of a queue's subscription are, if it is a subscription's: the module makes both. Undefined for
 * a queue that is the module's own.
 */
export const deadBeside = (queue: string): string | undefined =>
  MODULE_QUEUE.test(queue)
    ? undefined
    : `${queue.endsWith(ORDERED) ? queue.slice(0, -ORDERED.length) : queue}${MARKER}dead`;

/** What the module needs on the broker for its own use, by the service that owns it. */
export function serviceName({ namespace, service }: Owner, suffix: string): string {
  return `${destinationName(namespace, { kind: 'queue', name: service })}${MARKER}${suffix}`;
}

export function events(owner: Owner): Resource[] {
  return [{ kind: 'exchange', name: eventsExchange(owner), type: 'topic' }];
}

/** A work queue, as whoever sends to it and whoever takes from it declare it. */
export function workQueue(owner: Owner, queue: string, type: QueueType): Resource[] {
  return [{ kind: 'queue', name: queueName(owner, queue), arguments: ARGUMENTS[type] }];
}

/** What a publish goes to. */
export const publishedTo = (owner: Owner, { kind, name }: Destination, type: QueueType): Resource[] =>
  kind === 'topic' ? events(owner) : workQueue(owner, name, type);

/** How a subscription keeps the order of its messages among the processes of its group. */
export type Turn =
  /** All take at the same time. */
  | 'any'
  /** The broker hands to one of them: the queue was made for it. */
  | 'broker'
  /** The queue has other uses too, so that its consumers agree among themselves. */
  | 'consumers';

/** All that a subscription is on the broker. */
export interface Plan {
  /** Undefined: a queue of this process alone, whose name each connection makes anew. */
  readonly queue: string | undefined;
  readonly turn: Turn;
  readonly dead: string | undefined;
  readonly suspect: string | undefined;
  readonly resources: readonly Resource[];
  /** Where a queue of this process alone is bound. */
  readonly source: { readonly exchange: string; readonly key: string } | undefined;
  /** Retried messages come back through the service's own delays. */
  readonly retries: boolean;
}

/** @throws {UnsupportedError} where options ask for what RabbitMQ cannot do together */
export function planSubscription(
  owner: Owner,
  subscription: Subscription,
  options: RabbitMqHandlerOptions,
  type: QueueType,
): Plan {
  const { source, ordered, broadcast } = subscription;
  const { exchange } = options;
  const key = options.bind ?? (exchange?.type === 'fanout' ? '' : source.name);
  if (broadcast) {
    if (options.queue !== undefined)
      throw new UnsupportedError(
        'a broadcast has a queue of its own in each process: leave out rabbitmq.queue, or broadcast',
      );
    return {
      queue: undefined,
      turn: 'any',
      dead: undefined,
      suspect: undefined,
      resources: exchange ? [{ kind: 'exchange', ...exchange, foreign: true }] : events(owner),
      source: { exchange: exchange?.name ?? eventsExchange(owner), key },
      retries: false,
    };
  }

  const base = subscriptionName(owner.namespace, subscription);
  const own = options.queue === undefined;
  // Senders to a queue do not know how it is handled, so it has one name and one kind for all.
  const single = ordered && own && source.kind === 'topic';
  const queue = options.queue ?? (single ? `${base}${ORDERED}` : base);
  const dead = deadQueue(owner, subscription);
  const suspect = type === 'quorum' ? `${base}${MARKER}suspect` : undefined;
  const resources: Resource[] = [];
  if (exchange) resources.push({ kind: 'exchange', ...exchange, foreign: true });
  else if (own && source.kind === 'topic') resources.push(...events(owner));
  resources.push(
    own
      ? {
          kind: 'queue',
          name: queue,
          arguments: { ...ARGUMENTS[type], ...(single ? { 'x-single-active-consumer': true } : {}) },
        }
      : { kind: 'queue', name: queue, foreign: true },
  );
  if (exchange && (own || options.bind !== undefined))
    resources.push({ kind: 'binding', from: exchange.name, to: { queue }, key });
  else if (own && source.kind === 'topic')
    resources.push({ kind: 'binding', from: eventsExchange(owner), to: { queue }, key });
  resources.push({ kind: 'queue', name: dead, arguments: ARGUMENTS[type] });
  resources.push(...returning(owner, queue));
  if (suspect !== undefined)
    resources.push(
      { kind: 'queue', name: suspect, arguments: ARGUMENTS.quorum },
      ...returning(owner, suspect),
    );
  return {
    queue,
    turn: !ordered ? 'any' : single ? 'broker' : 'consumers',
    dead,
    suspect,
    resources,
    source: undefined,
    retries: true,
  };
}

/** How what comes back through the delays of a service finds a queue. */
export function returning(owner: Owner, queue: string): Resource[] {
  return [{ kind: 'binding', from: serviceName(owner, 'return'), to: { queue }, key: queue }];
}

/** Says which of several ordered consumers of a queue has the turn, while there is one. */
export const turnQueue = (queue: string): string => `${queue}${MARKER}turn`;

/** As {@link broadcastQueue} is made: of one connection, and gone with it. */
export const OF_ONE_PROCESS = {
  exclusive: true,
  autoDelete: true,
  durable: false,
  arguments: { 'x-queue-type': 'classic' },
} as const;

/** A queue of one process alone. Its name is in the namespace, so that one permission covers all. */
export function broadcastQueue(owner: Owner, id: SubscriptionId, unique: string): string {
  return `${subscriptionName(owner.namespace, id)}${MARKER}live-${unique}`;
}

/** Where a subscription's messages say they were published to. */
export function destinationOf(
  source: Destination,
  routingKey: string,
  type: string | undefined,
): Destination {
  if (source.kind === 'queue') return source;
  if (!isPattern(source.name)) return source;
  return { kind: 'topic', name: routingKey || type || source.name };
}
