import {
  ConfigurationError,
  destinationName,
  isPattern,
  MARKER,
  subscriptionName,
  type Environment,
  type Subscription,
  type SubscriptionId,
} from '@nest-messaging/core/contract';

/** Who the module acts for, as far as names on AWS depend on it. */
export type Owner = Pick<Environment, 'namespace' | 'service'>;

/**
 * AWS takes letters, digits, `_` and `-`, and no dots: a dot is written `_`, and `_` is written `--_`, so that every
 * name can be read back. Wildcards are words of their own.
 */
const WRITTEN: Readonly<Record<string, string>> = {
  '.': '_',
  _: `${MARKER}_`,
  '*': `${MARKER}one`,
  '#': `${MARKER}all`,
};

const READ: Readonly<Record<string, string>> = Object.fromEntries(
  Object.entries(WRITTEN).map(([character, text]) => [text, character]),
);
const WORDS = new RegExp(
  Object.keys(READ)
    .sort((a, b) => b.length - a.length)
    .join('|'),
  'g',
);

const encoded = (name: string): string => name.replace(/[._*#]/g, (character) => WRITTEN[character]!);

const FIFO = '.fifo';

/** What was {@link encoded}, behind the namespace; undefined for other namespaces, and for what is the module's own. */
function decoded(namespace: string | undefined, name: string): string | undefined {
  const text = (isFifo(name) ? name.slice(0, -FIFO.length) : name).replace(WORDS, (found) => READ[found]!);
  const prefix = namespace === undefined ? '' : `${namespace}.`;
  return text.startsWith(prefix) && !text.includes(MARKER) ? text.slice(prefix.length) : undefined;
}

/**
 * Characters of a name.
 * @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html
 * @see https://docs.aws.amazon.com/sns/latest/api/API_CreateTopic.html
 */
const LONGEST = { queue: 80, topic: 256 };

function checked(kind: keyof typeof LONGEST, name: string, of: string): string {
  if (name.length > LONGEST[kind])
    throw new ConfigurationError(
      `'${of}' becomes ${kind} '${name}' on AWS, ${name.length} characters: at most ${LONGEST[kind]} are possible, and each '_' takes three; shorten it`,
    );
  return name;
}

/** An event's SNS topic; events with an order have a FIFO topic. */
export function topicName({ namespace }: Pick<Owner, 'namespace'>, event: string, ordered: boolean): string {
  const full = destinationName(namespace, { kind: 'topic', name: event });
  return checked('topic', `${encoded(full)}${ordered ? FIFO : ''}`, full);
}

/**
 * All topics that a subscription may get its messages from, with `*` for any characters. Without an order it takes
 * those of events that have one, too.
 */
export function topicsOf(owner: Pick<Owner, 'namespace'>, source: string, ordered: boolean): string[] {
  // `#` stands for no word, too: then the dot beside it is gone, and so are those between several of them.
  const written = source
    .replace(/(^|\.)#(\.#)*(\.|$)/g, '*')
    .split('*')
    .map((part) => encoded(part))
    .join('*');
  const name = `${queuePrefix(owner)}${written}`;
  return ordered ? [`${name}${FIFO}`] : [name, `${name}${FIFO}`];
}

/** The event that a topic carries; undefined for topics of other namespaces and others' own. */
export function eventOfTopic({ namespace }: Pick<Owner, 'namespace'>, topic: string): string | undefined {
  const event = decoded(namespace, topic);
  return !event || isPattern(event) ? undefined : event;
}

/** The subscription that a queue may be of, by its name alone: a queue for tasks can have the same. */
export function subscriptionOfQueue(
  { namespace }: Pick<Owner, 'namespace'>,
  queue: string,
): SubscriptionId | undefined {
  const [, group, name] = /^([^.]+)\.(.+)$/.exec(decoded(namespace, queue) ?? '') ?? [];
  return group === undefined || name === undefined ? undefined : { group, source: { kind: 'topic', name } };
}

/** Begins the names of all queues of a namespace. */
export const queuePrefix = ({ namespace }: Pick<Owner, 'namespace'>): string =>
  namespace === undefined ? '' : `${encoded(namespace)}${WRITTEN['.']}`;

/** A work queue, and whether its tasks have an order. */
export function queueName({ namespace }: Pick<Owner, 'namespace'>, queue: string, ordered: boolean): string {
  const full = destinationName(namespace, { kind: 'queue', name: queue });
  return checked('queue', `${encoded(full)}${ordered ? FIFO : ''}`, full);
}

/** All that a subscription is on AWS. */
export interface SubscriptionNames {
  readonly queue: string;
  readonly dead: string;
}

export function subscriptionNames(
  owner: Pick<Owner, 'namespace'>,
  id: SubscriptionId,
  ordered: boolean,
): SubscriptionNames {
  const full = subscriptionName(owner.namespace, id);
  const base = encoded(full);
  const fifo = ordered ? FIFO : '';
  return {
    queue: checked('queue', `${base}${fifo}`, full),
    // Standard whatever the queue is: a FIFO queue would hold back all letters of a key while one is looked at.
    dead: checked('queue', `${base}${MARKER}dead`, full),
  };
}

/** The queue that a subscription takes from; a work queue is that of all its workers. */
export function subscriptionQueue(
  owner: Pick<Owner, 'namespace'>,
  subscription: Pick<Subscription, 'source' | 'group' | 'ordered'>,
): string {
  const { source, ordered } = subscription;
  return source.kind === 'queue'
    ? queueName(owner, source.name, ordered)
    : subscriptionNames(owner, subscription, ordered).queue;
}

/** Where what a service publishes with a delay waits. */
export function delayName({ namespace, service }: Owner): string {
  const full = destinationName(namespace, { kind: 'queue', name: service });
  return checked('queue', `${encoded(full)}${MARKER}delay`, full);
}

/** As many characters end the name of a queue of one process alone. */
export const LIVE_ENDING = 8;

/** Begins the names of queues of one process alone. */
export function livePrefix(owner: Pick<Owner, 'namespace'>, id: SubscriptionId): string {
  const full = subscriptionName(owner.namespace, id);
  const prefix = `${encoded(full)}${MARKER}live-`;
  checked('queue', prefix.padEnd(prefix.length + LIVE_ENDING, 'x'), full);
  return prefix;
}

export function isFifo(name: string): boolean {
  return name.endsWith(FIFO);
}

/** The name at the end of an ARN or of a queue's URL. */
export const lastName = (text: string): string =>
  text.slice(Math.max(text.lastIndexOf(':'), text.lastIndexOf('/')) + 1);
