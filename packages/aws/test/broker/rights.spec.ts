import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import type { SubscriptionId, Topology } from '@nest-messaging/core/contract';
import { awsEndpoint } from '../../../../test/support/aws.js';
import { iamPolicy, type IamPolicy } from '../../src/iam-policy.js';
import { startRecorder, type Asked } from '../support/recorder.js';
import { until, useStage } from '../support/stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

/** Emulators allow everything; so that what an application asks for is held against the policy here. */

const stage = useStage();

const like = (pattern: string, name: string): boolean =>
  new RegExp(`^${pattern.replaceAll(/[.+^${}()|[\]\\]/g, '\\$&').replaceAll('*', '.*')}$`).test(name);

const allows =
  ({ Statement }: IamPolicy) =>
  ({ action, resource }: Asked): boolean =>
    Statement.some(
      ({ Action, Resource }) =>
        Action.includes(action) &&
        Resource.some(
          (arn) => arn === '*' || (resource !== undefined && like(arn.split(':').at(-1)!, resource)),
        ),
    );

const retry = { type: 'retry', delay: 0, failure: { name: 'E', message: 'e', at: 0 } } as const;
const deadLetter = { type: 'dead-letter', failure: retry.failure, attempts: 2 } as const;
const acknowledge = { type: 'acknowledge' } as const;

const group = 'group';
const topic = (name: string): SubscriptionId => ({ group, source: { kind: 'topic', name } });

/** What an application may do that does everything. */
const needs = (topology: Topology, namespace: string): IamPolicy =>
  iamPolicy({
    topology,
    namespace,
    service: 'service',
    publishes: ['order.paid', 'order.placed', 'order.late', 'cache.cleared', 'step.taken'],
    enqueues: ['tasks'],
    handles: [
      topic('order.placed'),
      topic('order.*'),
      topic('step.taken'),
      { group, source: { kind: 'queue', name: 'tasks' } },
    ],
    broadcasts: [topic('cache.cleared')],
    delays: true,
  });

/** Does everything once. */
async function doAll(topology: Topology, endpoint: string): Promise<void> {
  const { open } = stage();
  const { transport, subscribe, publish, enqueue } = await open({ endpoint, discovery: '1s' }, { topology });
  const turns = [retry, deadLetter, deadLetter];
  const placed = await subscribe('order.placed', () => turns.shift() ?? acknowledge);
  const all = await subscribe('order.*');
  const steps = await subscribe('step.taken', undefined, { ordered: true });
  const tasks = await subscribe({ kind: 'queue', name: 'tasks' });
  const cleared = await subscribe('cache.cleared', undefined, { broadcast: true });
  await publish('order.placed', '1');
  await publish('order.late', '2', { delay: 1_000 });
  await publish('step.taken', '3', { ordered: true, key: 'k' });
  await publish('cache.cleared', '4');
  await enqueue('tasks', '5');
  await until(
    async () =>
      all.seen.length === 2 &&
      steps.seen.length === 1 &&
      tasks.seen.length === 1 &&
      cleared.seen.length === 1 &&
      (await listed(transport.deadLetters, topic('order.placed'), 10)).length === 1,
    'everything',
  );
  expect(placed.seen).toHaveLength(2);
  const { deadLetters: letters } = transport;
  expect(await letters.redrive(topic('order.placed'))).toBe(1);
  await until(() => placed.seen.length === 3, 'the redriven message');
  const setAside = () => listed(letters, topic('order.placed'), 10);
  await until(async () => (await setAside()).length === 1, 'it to be set aside again');
  const [letter] = await setAside();
  expect(await letters.purge(topic('order.placed'))).toBe(1);
  await letters.restore(topic('order.placed'), letter!);
  await until(async () => (await setAside()).length === 1, 'it to be set aside once more');
  expect(await letters.purge(topic('order.placed'))).toBe(1);
  await transport.close();
}

describe('the rights that the policy grants', () => {
  it.each(['create', 'validate', 'none'] as const)(
    'are all that an application needs with topology %s',
    async (topology) => {
      const { mark, after } = stage();
      const recorder = await startRecorder(awsEndpoint());
      after(() => recorder.close());
      if (topology !== 'create') await doAll('create', awsEndpoint());
      await doAll(topology, recorder.url);
      const allowed = allows(needs(topology, mark));
      const forbidden = recorder.asked.filter((one) => !allowed(one));
      expect([...new Set(forbidden.map((one) => JSON.stringify(one)))]).toEqual([]);
      expect(recorder.asked.length).toBeGreaterThan(20);
    },
  );

  it('make nothing where an application must not, broadcasts apart', () => {
    for (const topology of ['validate', 'none'] as const) {
      const { Statement } = needs(topology, 'shop');
      const making = Statement.filter(({ Action }) =>
        Action.some((action) => /Create|Tag|SetQueue|Subscribe$/.test(action)),
      );
      expect(making.map(({ Sid }) => Sid)).toEqual(['Broadcast', 'BroadcastTopics']);
    }
  });

  it('name topics and queues, except where IAM knows no resources', () => {
    const { Statement } = needs('create', 'shop');
    const anywhere = Statement.filter(({ Resource }) => Resource.includes('*'));
    expect(anywhere).toHaveLength(1);
    expect(anywhere[0]!.Action.filter((action) => !/List|Subscription|Unsubscribe/.test(action))).toEqual([]);
  });
});

/** What the page grants to who operates `shop.billing`, for another namespace and group. */
function operatorsPolicy(namespace: string): IamPolicy {
  const page = readFileSync(new URL('../../../../docs/aws.md', import.meta.url), 'utf8');
  const policy = [...page.matchAll(/^```json\n(.*?)^```$/gms)].find(([, json]) => json!.includes('--dead'));
  return JSON.parse(policy![1]!.replaceAll('shop_billing_', `${namespace}_${group}_`)) as IamPolicy;
}

describe('the rights of who operates dead letters with no application', () => {
  it('are no more than the page grants, whatever is refused besides', async () => {
    const { mark, after, open } = stage();
    const { subscribe, publish } = await open();
    const turns = [deadLetter];
    const { seen } = await subscribe('order.placed', () => turns.shift() ?? acknowledge);
    await publish('order.placed', '1');
    const recorder = await startRecorder(awsEndpoint(), allows(operatorsPolicy(mark)));
    after(() => recorder.close());
    const { transport } = await open({ endpoint: recorder.url }, { topology: 'none' });
    const { deadLetters: letters } = transport;
    const id = topic('order.placed');
    await letters.check(id);
    await until(async () => (await listed(letters, id, 10)).length === 1, 'the dead letter');
    const [letter] = await listed(letters, id, 10);
    expect(await letters.purge(id)).toBe(1);
    await letters.restore(id, letter!);
    await until(async () => (await listed(letters, id, 10)).length === 1, 'it to be set aside again');
    expect(await letters.redrive(id)).toBe(1);
    await until(() => seen.length === 2, 'it');
    await transport.close();
  });
});
