import { describe, expect, it } from '@jest/globals';
import {
  checkTopicOrPattern,
  matches,
  type Destination,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import fc from 'fast-check';
import { passes } from '../../../test/support/arbitrary.js';
import {
  delayNames,
  eventOfTopic,
  matching,
  subscriptionNames,
  topicName,
  type Owner,
} from '../src/topology.js';

fc.configureGlobal({ numRuns: 500 * Number(process.env['FC_RUNS'] ?? 1) });

/** Few letters, so that names are often nearly equal; words of the module itself, so that they could be taken for its own. */
const word = fc.oneof(
  fc
    .string({ unit: fc.constantFrom('a', 'b', '_', '-'), minLength: 1, maxLength: 2 })
    // Kafka's own topics begin so.
    .filter((text) => text !== '--' && text !== '__'),
  fc.constantFrom('dead', '-dead', 'one', 'queue', '-queue', 'retry', 'delay'),
);
const words = (one: fc.Arbitrary<string>) =>
  fc.array(one, { minLength: 1, maxLength: 3 }).map((all) => all.join('.'));
const topic = words(word);
const pattern = words(fc.oneof(word, fc.constantFrom('*', '#')));
const namespace = fc.option(word, { nil: undefined });
const owner: fc.Arbitrary<Owner> = fc.record({ namespace, service: word });
const queue: fc.Arbitrary<Destination> = fc.record({ kind: fc.constant('queue' as const), name: topic });
const event: fc.Arbitrary<Destination> = fc.record({ kind: fc.constant('topic' as const), name: topic });
const subscription: fc.Arbitrary<SubscriptionId> = fc.record({
  group: word,
  source: fc.oneof(queue, fc.record({ kind: fc.constant('topic' as const), name: pattern })),
});

const isName = (name: string): boolean => passes(() => checkTopicOrPattern(name));
/** Two of them, often with names that differ in a wildcard, or in as little as the module itself adds. */
const two = fc
  .tuple(subscription, fc.oneof(subscription, fc.constantFrom('-dead', '-retry', '-queue', '.retry', '#')))
  .map(([one, other]): [SubscriptionId, SubscriptionId] => {
    if (typeof other !== 'string') return [one, other];
    const { name } = one.source;
    const nearly = other === '#' ? name.replace('*', other) : `${name}${other}`;
    return [one, { ...one, source: { ...one.source, name: nearly } }];
  })
  .filter(([, { source }]) => isName(source.name));

const subject = ({ source, group }: SubscriptionId): string =>
  source.kind === 'queue' ? `queue ${source.name}` : `${group} ${source.name}`;

describe('names on Kafka', () => {
  it('of two destinations are two, and an event’s can be read back', () => {
    fc.assert(
      fc.property(owner, fc.oneof(event, queue), fc.oneof(event, queue), (of, one, other) => {
        const same = one.kind === other.kind && one.name === other.name;
        expect(topicName(of, one) === topicName(of, other)).toBe(same);
        expect(eventOfTopic(of, topicName(of, one))).toBe(one.kind === 'topic' ? one.name : undefined);
      }),
    );
  });

  it('are those of one subscription alone, and of no event', () => {
    fc.assert(
      fc.property(owner, two, fc.oneof(event, queue), (of, [one, other], destination) => {
        fc.pre(subject(one) !== subject(other));
        const { group, retry, dead } = subscriptionNames(of, one);
        const others = subscriptionNames(of, other);
        expect(group).not.toBe(others.group);
        const topics = [
          others.retry,
          others.dead,
          topicName(of, destination),
          ...delayNames(of, of.service).levels,
        ];
        expect([retry, dead].filter((name) => topics.includes(name))).toEqual([]);
        for (const name of [retry, dead]) expect(eventOfTopic(of, name)).toBeUndefined();
      }),
    );
  });

  it('are such as Kafka takes, wildcards included', () => {
    fc.assert(
      fc.property(owner, subscription, (of, one) => {
        const { group, retry, dead } = subscriptionNames(of, one);
        for (const name of [group, retry, dead, ...delayNames(of, one.group).levels])
          expect(name).toMatch(/^[a-zA-Z0-9._-]{1,249}$/);
      }),
    );
  });
});

describe('the topics of a pattern', () => {
  it('are those of the events that match it, of this namespace alone', () => {
    fc.assert(
      fc.property(
        namespace,
        pattern,
        fc.uniqueArray(topic, { maxLength: 8 }),
        topic,
        (own, some, events, another) => {
          const of = { service: 'billing', ...(own === undefined ? {} : { namespace: own }) };
          const topics = events.map((name) => topicName(of, { kind: 'topic', name }));
          const strangers = [
            ...(own === undefined
              ? []
              : [topicName({ namespace: `${own}x` }, { kind: 'topic', name: another }), `${own}.`]),
            '',
            '__consumer_offsets',
            ...Object.values(
              subscriptionNames(of, { group: 'billing', source: { kind: 'topic', name: some } }),
            ),
          ].filter(
            (name) => own !== undefined || name.includes('--') || name.startsWith('__') || name === '',
          );
          const wanted = events
            .filter((name) => matches(some, name))
            .map((name) => topicName(of, { kind: 'topic', name }));
          expect(matching(of, (name) => matches(some, name), [...topics, ...strangers])).toEqual(
            wanted.sort(),
          );
        },
      ),
    );
  });
});
