import { describe, expect, it } from '@jest/globals';
import { checkTopicOrPattern, type Subscription } from '@nest-messaging/core/contract';
import fc from 'fast-check';
import { passes } from '../../../test/support/arbitrary.js';
import { delays, LEVELS } from '../src/delays.js';
import { broadcastQueue, planSubscription, workQueue, type Owner } from '../src/topology.js';

fc.configureGlobal({ numRuns: 500 * Number(process.env['FC_RUNS'] ?? 1) });

/** Few letters, so that names are often nearly equal; words of the module itself, so that they could be taken for its own. */
const word = fc.oneof(
  fc
    .string({ unit: fc.constantFrom('a', 'b', '_', '-'), minLength: 1, maxLength: 2 })
    .filter((text) => text !== '--'),
  fc.constantFrom('dead', '-dead', 'delay-0', 'return', 'events'),
);
const topic = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join('.'));
const pattern = fc
  .array(fc.oneof(word, fc.constantFrom('*', '#')), { minLength: 1, maxLength: 3 })
  .map((words) => words.join('.'));

const isName = (name: string): boolean => passes(() => checkTopicOrPattern(name));

const owner: fc.Arbitrary<Owner> = fc.record({
  namespace: fc.option(word, { nil: undefined }),
  service: word,
});
const subscription: fc.Arbitrary<Subscription> = fc.record({
  source: fc.oneof(
    fc.record({ kind: fc.constant('topic' as const), name: pattern }),
    fc.record({ kind: fc.constant('queue' as const), name: topic }),
  ),
  group: word,
  ordered: fc.boolean(),
  broadcast: fc.constant(false),
  maxUnsettled: fc.constant(1),
});

/** Two of them, often with names that differ in as little as the module itself adds. */
const two = fc
  .tuple(subscription, fc.oneof(subscription, fc.constantFrom('-dead', '-suspect', '-ordered', '.dead', '-')))
  .map(([one, other]): [Subscription, Subscription] =>
    typeof other === 'string'
      ? [one, { ...one, source: { ...one.source, name: `${one.source.name}${other}` } }]
      : [one, other],
  )
  .filter(([, { source }]) => isName(source.name));

/** Names of the queues that are this subscription's and no other's. */
const queuesOf = (of: Owner, one: Subscription): string[] => {
  const { queue, dead, suspect } = planSubscription(of, one, {}, 'quorum');
  return [queue!, dead!, suspect!, broadcastQueue(of, one, '1a2b3c4d')];
};

/** What a queue is named after. A task's queue called like a group and its topic is refused by who subscribes to both. */
const subject = ({ source, group }: Subscription): string =>
  source.kind === 'queue' ? source.name : `${group}.${source.name}`;

describe('names on RabbitMQ', () => {
  it('are those of one subscription alone', () => {
    fc.assert(
      fc.property(owner, two, (of, [one, other]) => {
        fc.pre(subject(one) !== subject(other));
        const [its, others] = [queuesOf(of, one), queuesOf(of, other)];
        expect(its.filter((name) => others.includes(name))).toEqual([]);
        expect(new Set(its).size).toBe(its.length);
      }),
    );
  });

  it('are never those of a service’s delays', () => {
    fc.assert(
      fc.property(owner, subscription, (of, one) => {
        const own = delays(of, LEVELS - 1).flatMap((resource) =>
          resource.kind === 'queue' ? [resource.name] : [],
        );
        expect(queuesOf(of, one).filter((name) => own.includes(name))).toEqual([]);
      }),
    );
  });

  it('fit, and say to the broker which events are wanted', () => {
    fc.assert(
      fc.property(owner, subscription, (of, one) => {
        for (const name of queuesOf(of, one)) expect(Buffer.byteLength(name)).toBeLessThan(256);
        const { resources, queue } = planSubscription(of, one, {}, 'quorum');
        const bindings = resources.filter(
          (resource) => resource.kind === 'binding' && resource.from === (of.namespace ?? 'events'),
        );
        if (one.source.kind === 'topic')
          expect(bindings).toEqual([expect.objectContaining({ to: { queue }, key: one.source.name })]);
        else expect(resources).toEqual(expect.arrayContaining(workQueue(of, one.source.name, 'quorum')));
      }),
    );
  });
});
