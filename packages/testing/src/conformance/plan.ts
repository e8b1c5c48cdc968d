import assert from 'node:assert/strict';
import type { PlannedResource, Planner, Subscription } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import { acknowledge, inTurn, retry } from './probe.js';
import type { Stage } from './stage.js';
import type { Made } from './test-broker.js';

const named = ({ kind, name }: Made): string => `${kind} ${name}`;

/** `*` stands for what is made up when it is made. */
const isPlanned = (plan: readonly PlannedResource[], made: Made): boolean =>
  plan.some(
    ({ kind, name }) =>
      kind === made.kind &&
      new RegExp(
        `^${name
          .split('*')
          .map((part) => part.replaceAll(/[.+?^${}()|[\]\\]/g, '\\$&'))
          .join('.*')}$`,
      ).test(made.name),
  );

/** One of each kind that the broker can have. */
function subscriptionsOf({ topic, queue, group, capabilities }: Stage): Subscription[] {
  const plain = { group: group(), ordered: false, broadcast: false, maxUnsettled: 10 };
  const event = (name: string) => ({ kind: 'topic', name: topic(name) }) as const;
  return [
    { ...plain, source: event('plain') },
    { ...plain, source: queue('work') },
    ...(capabilities.ordered ? [{ ...plain, source: event('ordered'), ordered: true }] : []),
    ...(capabilities.patterns ? [{ ...plain, source: event('#') }] : []),
    ...(capabilities.broadcast ? [{ ...plain, source: event('live'), broadcast: true }] : []),
  ];
}

function publicationsOf({ topic, queue }: Stage) {
  return [
    { destination: { kind: 'topic', name: topic('plain') }, ordered: false },
    { destination: { kind: 'topic', name: topic('ordered') }, ordered: true },
    { destination: queue('work'), ordered: false },
  ] as const;
}

/** All that a plan says of these, apart by when it is made. */
function planAll(planner: Planner, stage: Stage) {
  const subscriptions = subscriptionsOf(stage).map((one) => planner.subscription(one));
  const all = subscriptions.flatMap(({ resources }) => resources);
  return {
    subscriptions,
    atStart: all.filter(({ made }) => made === 'at start'),
    whenNeeded: [...all.filter(({ made }) => made === 'when needed'), ...planner.delays().resources],
    published: publicationsOf(stage).flatMap((one) => planner.publication(one)),
  };
}

export const plan = concern('Plan', (states) => {
  states(
    'What the plan says is made on the broker, and nothing else',
    async (stage) => {
      const { open, topic, until, hook } = stage;
      const application = await open();
      const { transport, subscribe, publish, environment } = application;
      const { atStart, whenNeeded, published } = planAll(transport.planner, stage);
      const [first, ...others] = subscriptionsOf(stage);
      for (const { source, ...options } of others) await subscribe(source, options);
      const probe = await subscribe(first!.source, first, inTurn(retry(1), acknowledge));
      for (const { destination, ordered } of publicationsOf(stage))
        await publish(destination, { ordered, ...(ordered && { key: 'k' }) });
      await publish(first!.source, { delay: 1 });
      await until(() => probe.seen.length === 4, 'two messages, each retried, one of them delayed');

      const made = (): Promise<readonly Made[]> =>
        hook('made')([topic('').slice(0, -1), environment.service]);
      const expected = [...atStart, ...published];
      let missing: string[] = [];
      await until(
        async () => {
          const there = await made();
          missing = expected.filter((one) => !there.some((it) => isPlanned([one], it))).map(named);
          return missing.length === 0;
        },
        'all that was planned',
        10_000,
      ).catch(() => assert.fail(`planned, and not made: ${missing.join(', ')}`));
      const surplus = (await made()).filter((one) => !isPlanned([...expected, ...whenNeeded], one));
      assert.deepEqual(surplus.map(named), [], 'made, and not planned');
    },
    { hook: 'made' },
  );

  states(
    'Planning needs no connection, and makes nothing',
    async (stage) => {
      const { prepare, open, topic, hook } = stage;
      const unconnected = prepare();
      const before = planAll(unconnected.transport.planner, stage);
      const { planner } = (await open()).transport;
      assert.deepEqual(planAll(planner, stage), before);
      const made = await hook('made')([topic('').slice(0, -1)]);
      assert.deepEqual(made.map(named), []);
    },
    { hook: 'made' },
  );

  states('A plan gives what the broker can do, and nothing else', async (stage) => {
    const { prepare, capabilities } = stage;
    const { planner } = prepare().transport;
    const can = {
      ordered: Boolean(capabilities.ordered),
      delays: capabilities.maxDelay > 0,
      patterns: Boolean(capabilities.patterns),
      broadcast: Boolean(capabilities.broadcast),
      deaths: capabilities.countsDeliveries,
    };
    for (const { means, name } of subscriptionsOf(stage).map((one) => planner.subscription(one))) {
      assert.ok(name, 'the subscription has no name');
      for (const [need, { support, how }] of Object.entries(means)) {
        assert.equal(Boolean(support), can[need as keyof typeof can], `${need} is ${support}`);
        assert.ok(how, `the plan does not say how it gives ${need}`);
      }
    }
    const { support, how } = planner.delays();
    assert.equal(Boolean(support), can.delays, `delays of what is published are ${support}`);
    assert.ok(how, 'the plan does not say how it delays what is published');
  });

  states('A plan refuses options that subscribing refuses', async ({ prepare, topic, group }) => {
    const { planner } = prepare().transport;
    const subscription: Subscription = {
      source: { kind: 'topic', name: topic() },
      group: group(),
      ordered: false,
      broadcast: false,
      maxUnsettled: 1,
      brokerOptions: { noSuchOption: true },
    };
    assert.throws(() => planner.subscription(subscription), { code: 'CONFIGURATION' });
  });

  states(
    'What was established keeps what is published, and takes none of it, until its first handler comes',
    async ({ open, topic, queue, group, until }) => {
      const options = { group: group(), ordered: false, broadcast: false, maxUnsettled: 1 };
      const [event, work] = [topic('established'), queue('established')];
      const making = await open();
      await making.transport.establish({
        subscriptions: [
          { ...options, source: { kind: 'topic', name: event } },
          { ...options, source: work },
        ],
        publications: [{ destination: { kind: 'topic', name: event }, ordered: false }],
        delays: false,
      });
      const publishing = await open();
      await publishing.publish(event, 'event');
      await publishing.publish(work, 'task');
      const handling = await open();
      const ofTopic = await handling.subscribe(event, options);
      const ofQueue = await handling.subscribe(work, options);
      await until(() => ofTopic.seen.length + ofQueue.seen.length === 2, 'what was published meanwhile');
      assert.deepEqual([ofTopic.texts, ofQueue.texts], [['event'], ['task']]);
    },
  );

  states(
    'An examination tells what is missing and makes nothing, and finds no fault with what is there',
    async ({ open, topic, queue, group }) => {
      const options = { group: group(), ordered: false, broadcast: false, maxUnsettled: 1 };
      const [event, work] = [{ kind: 'topic', name: topic('looked-at') } as const, queue('looked-at')];
      const usage = {
        subscriptions: [
          { ...options, source: event },
          { ...options, source: work },
        ],
        publications: [],
        delays: false,
      };
      const troubles = async (): Promise<string[]> => {
        const { transport } = await open({ topology: 'validate' });
        const findings = await transport.examine(usage);
        return findings
          .filter(({ level }) => level === 'trouble')
          .map(({ about, message }) => `${about}: ${message}`);
      };
      await (await open()).publish(topic('other'));
      const missing = await troubles();
      assert.ok(missing.length >= 2, `found ${missing.join(', ') || 'nothing'} where nothing was made`);
      assert.deepEqual(await troubles(), missing, 'looking twice tells another story');
      const making = await open();
      await making.transport.establish(usage);
      await making.subscribe(event, options);
      await making.subscribe(work, options);
      assert.deepEqual(await troubles(), []);
    },
  );
});
