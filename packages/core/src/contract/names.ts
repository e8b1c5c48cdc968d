import { ConfigurationError } from './errors.js';
import type { Destination } from './message.js';
import { isPattern } from './pattern.js';
import type { Subscription, SubscriptionId } from './transport.js';

/** Marks what belongs to the module alone (retry, delay, dead letters, suspects). User names may not contain it. */
export const MARKER = '--';

/** SQS has the strictest limit; every broker keeps to it, so that no application is bound to one by its names. */
const LONGEST_NAME = 80;
/** Room for the longest suffix of the module, marker included. */
const LONGEST_SUFFIX = 16;

const WORD = /^[A-Za-z0-9_-]+$/;
/** Words, and no marker: all that is looked at where nothing is wrong, since each publish does. */
const FINE = /^(?!.*--)[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/;

function wordsOf(what: string, name: unknown, wildcards: boolean): void {
  if (typeof name === 'string' && FINE.test(name)) return;
  if (typeof name !== 'string' || name === '')
    throw new ConfigurationError(
      `${what} is ${name === '' ? 'empty' : typeof name}: expected a name such as 'order.placed'`,
    );
  for (const word of name.split('.')) {
    if (wildcards && (word === '*' || word === '#')) continue;
    if (!WORD.test(word))
      throw new ConfigurationError(
        `${what} ${JSON.stringify(name)} holds ${JSON.stringify(word)}: expected words of letters, digits, '_' and '-', with dots between${
          wildcards ? ", '*' for one word, '#' for any number" : ''
        }`,
      );
  }
  if (name.includes(MARKER))
    throw new ConfigurationError(
      `${what} ${JSON.stringify(name)} holds '${MARKER}', which marks the module's own resources: rename it`,
    );
}

/**
 * Services, groups and namespaces are single words: with dots in them `a.b` on `c` and `a` on `b.c` would be one name
 * on the broker.
 * @throws {ConfigurationError} if the name cannot be used on every broker
 */
export function checkName(what: 'service' | 'namespace' | 'group' | 'topic' | 'queue', name: unknown): void {
  wordsOf(what, name, false);
  if (what !== 'topic' && what !== 'queue' && (name as string).includes('.'))
    throw new ConfigurationError(
      `${what} ${JSON.stringify(name)} holds a dot: dots are for topics and queues; use '_' or '-'`,
    );
}

/** As {@link checkName}, with `*` and `#` as whole words. */
export function checkTopicOrPattern(name: unknown): void {
  wordsOf('topic', name, true);
}

function prefixed(namespace: string | undefined, name: string): string {
  const full = namespace === undefined ? name : `${namespace}.${name}`;
  if (full.length > LONGEST_NAME - LONGEST_SUFFIX)
    throw new ConfigurationError(
      `the name ${JSON.stringify(full)} has ${full.length} characters: at most ${LONGEST_NAME - LONGEST_SUFFIX} fit every broker; shorten the namespace, the group or the topic`,
    );
  return full;
}

/** `<namespace>.<topic>` or `<namespace>.<queue>`, without the prefix where there is no namespace. */
export function destinationName(namespace: string | undefined, destination: Destination): string {
  return prefixed(namespace, destination.name);
}

/** `<namespace>.<group>.<topic>`; for a queue `<namespace>.<queue>`, since all its workers are one group. */
export function subscriptionName(namespace: string | undefined, { source, group }: SubscriptionId): string {
  return prefixed(namespace, source.kind === 'queue' ? source.name : `${group}.${source.name}`);
}

/** The subscription in words, for messages to people. */
export function describeSubscription({ source, group }: Pick<Subscription, 'source' | 'group'>): string {
  if (source.kind === 'queue') return `queue '${source.name}'`;
  return `${isPattern(source.name) ? 'pattern' : 'topic'} '${source.name}' of group '${group}'`;
}
