import { describe, expect, it } from '@jest/globals';
import { ConfigurationError, matches, type SubscriptionId } from '@nest-messaging/core/contract';
import fc from 'fast-check';
import {
  delayName,
  eventOfTopic,
  LIVE_ENDING,
  livePrefix,
  queueName,
  subscriptionNames,
  subscriptionOfQueue,
  topicName,
  topicsOf,
} from '../src/names.js';

fc.configureGlobal({ numRuns: 500 * Number(process.env['FC_RUNS'] ?? 1) });

/** Few letters, so that names are often nearly equal; words of the module itself, so that they could be taken for its own. */
const word = fc.oneof(
  fc
    .string({ unit: fc.constantFrom('a', 'b', '_', '-'), minLength: 1, maxLength: 3 })
    .filter((text) => !text.includes('--')),
  fc.constantFrom('dead', '-dead', 'one', '-one', '-all', 'all', 'fifo', 'live-', '-_', '_-'),
);
const words = (one: fc.Arbitrary<string>) =>
  fc.array(one, { minLength: 1, maxLength: 4 }).map((all) => all.join('.'));
const topic = words(word);
const pattern = words(fc.oneof(word, fc.constantFrom('*', '#', '#')));
const owner = fc.record({ namespace: fc.option(word, { nil: undefined }), service: word });
const subscription: fc.Arbitrary<SubscriptionId> = fc.record({
  group: word,
  source: fc.record({ kind: fc.constant('topic' as const), name: pattern }),
});

/** What `*` of a policy stands for. */
const falls = (name: string, glob: string): boolean =>
  new RegExp(
    `^${glob
      .split('*')
      .map((part) => part.replaceAll('.', '\\.'))
      .join('.*')}$`,
  ).test(name);

describe('names on AWS', () => {
  it('can be read back, and so are those of nobody else', () => {
    fc.assert(
      fc.property(owner, topic, subscription, fc.boolean(), word, (of, event, id, ordered, other) => {
        expect(eventOfTopic(of, topicName(of, event, ordered))).toBe(event);
        if (of.namespace !== undefined && other !== of.namespace)
          expect(eventOfTopic({ namespace: other }, topicName(of, event, ordered))).toBeUndefined();
        const { queue, dead } = subscriptionNames(of, id, ordered);
        expect(subscriptionOfQueue(of, queue)).toEqual(id);
        for (const own of [dead, `${livePrefix(of, id)}1a2b3c4d`, delayName(of)]) {
          expect(subscriptionOfQueue(of, own)).toBeUndefined();
          expect(eventOfTopic(of, own)).toBeUndefined();
        }
      }),
    );
  });

  it('of two subscriptions, tasks or events are two', () => {
    fc.assert(
      fc.property(owner, subscription, subscription, topic, topic, (of, one, other, some, another) => {
        const queues = (id: SubscriptionId): string[] => [
          ...Object.values(subscriptionNames(of, id, false)),
          livePrefix(of, id),
        ];
        const same = one.group === other.group && one.source.name === other.source.name;
        expect(queues(one).some((name) => queues(other).includes(name))).toBe(same);
        expect(queueName(of, some, true) === queueName(of, another, true)).toBe(some === another);
        expect(topicName(of, some, false)).not.toBe(topicName(of, another, true));
        expect([...queues(one), queueName(of, some, false)]).not.toContain(delayName(of));
      }),
    );
  });

  it('are such as AWS takes, or refused', () => {
    const long = fc
      .array(fc.constantFrom('_', 'a_', 'b', '*'), { minLength: 1, maxLength: 30 })
      .map((all) => all.join('.'));
    fc.assert(
      fc.property(owner, long, word, fc.boolean(), (of, name, group, ordered) => {
        const id = { group, source: { kind: 'topic', name } } as const;
        const made = [
          () => Object.values(subscriptionNames(of, id, ordered)),
          () => [`${livePrefix(of, id)}${'x'.repeat(LIVE_ENDING)}`],
          () => [queueName(of, name.replaceAll('*', 'c'), ordered)],
          () => [delayName(of)],
        ];
        for (const make of made) {
          try {
            for (const queue of make()) expect(queue).toMatch(/^(?=.{1,80}$)[A-Za-z0-9_-]+(\.fifo)?$/);
          } catch (error) {
            if (!(error instanceof ConfigurationError)) throw error;
          }
        }
      }),
    );
  });

  it('tell all topics from which a pattern gets messages, and none of another namespace', () => {
    fc.assert(
      fc.property(owner, pattern, topic, word, fc.boolean(), (of, some, event, other, ordered) => {
        const globs = topicsOf(of, some, ordered);
        const admits = (name: string): boolean => globs.some((glob) => falls(name, glob));
        if (matches(some, event)) {
          expect(admits(topicName(of, event, true))).toBe(true);
          expect(admits(topicName(of, event, false))).toBe(!ordered);
        }
        if (of.namespace !== undefined && other !== of.namespace)
          expect(admits(topicName({ namespace: other }, event, true))).toBe(false);
      }),
    );
  });
});
