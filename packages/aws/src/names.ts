import {
  ConfigurationError,
  destinationName,
  MARKER,
  subscriptionName,
  type Environment,
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

const encoded = (name: string): string => name.replace(/[._*#]/g, (character) => WRITTEN[character]!);

/** The name that {@link topicName} wrote, without what marks FIFO; undefined for what is the module's own. */
function decoded(name: string): string | undefined {
  const text = name.replace(/--_|_/g, (found) => (found === '_' ? '.' : '_'));
  return text.includes(MARKER) ? undefined : text;
}

const FIFO = '.fifo';

/** SQS's limit; SNS takes 256. @see https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-queues.html */
const LONGEST = 80;

function checked(name: string, of: string): string {
  if (name.length > LONGEST)
    throw new ConfigurationError(
      `'${of}' becomes '${name}' on AWS, ${name.length} characters: at most ${LONGEST} are possible, and each '_' takes three; shorten it`,
    );
  return name;
}

/** An event's SNS topic; events with an order have a FIFO topic. */
export function topicName({ namespace }: Pick<Owner, 'namespace'>, event: string, ordered: boolean): string {
  const full = destinationName(namespace, { kind: 'topic', name: event });
  return checked(`${encoded(full)}${ordered ? FIFO : ''}`, full);
}

/** The event that a topic carries; undefined for topics of other namespaces and others' own. */
export function eventOfTopic({ namespace }: Pick<Owner, 'namespace'>, topic: string): string | undefined {
  const full = decoded(topic.endsWith(FIFO) ? topic.slice(0, -FIFO.length) : topic);
  const prefix = namespace === undefined ? '' : `${namespace}.`;
  return full?.startsWith(prefix) ? full.slice(prefix.length) : undefined;
}

/** A work queue, and whether its tasks have an order. */
export function queueName({ namespace }: Pick<Owner, 'namespace'>, queue: string, ordered: boolean): string {
  const full = destinationName(namespace, { kind: 'queue', name: queue });
  return checked(`${encoded(full)}${ordered ? FIFO : ''}`, full);
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
    queue: checked(`${base}${fifo}`, full),
    // Standard whatever the queue is: a FIFO queue would hold back all letters of a key while one is looked at.
    dead: checked(`${base}${MARKER}dead`, full),
  };
}

/** Where what a service publishes with a delay waits. */
export function delayName({ namespace, service }: Owner): string {
  const full = destinationName(namespace, { kind: 'queue', name: service });
  return checked(`${encoded(full)}${MARKER}delay`, full);
}

/** Begins the names of queues of one process alone. */
export function livePrefix(owner: Pick<Owner, 'namespace'>, id: SubscriptionId): string {
  return `${encoded(subscriptionName(owner.namespace, id))}${MARKER}live-`;
}

export const isFifo = (name: string): boolean => name.endsWith(FIFO);

/** The name at the end of an ARN or of a queue's URL. */
export const lastName = (text: string): string =>
  text.slice(Math.max(text.lastIndexOf(':'), text.lastIndexOf('/')) + 1);
