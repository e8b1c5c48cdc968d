import assert from 'node:assert/strict';
import type { Capabilities, Destination, Support } from '@nest-messaging/core/contract';
import { concern } from './guarantee.js';
import type { Probe } from './probe.js';
import type { Application, Stage } from './stage.js';
import { assertTakes } from './timing.js';

/** Longer than any delay here; a broker that cannot wait as long must refuse it. */
const LONGEST = 7 * 24 * 3_600_000;

const delayed = {
  waits: true,
  support: ({ maxDelay }: Capabilities): Support => (maxDelay >= LONGEST ? 'native' : false),
  refusal: async ({ serve, topic }: Stage): Promise<void> => {
    const service = await serve();
    await assert.rejects(service.publish(topic(), 1, { delay: '7d' }), { code: 'UNSUPPORTED' });
  },
};

/** The first delayed message of a service makes its way on the broker, which takes a time of its own. */
async function makeWay(
  application: Application,
  to: string | Destination,
  probe: Probe,
  until: Stage['until'],
): Promise<void> {
  await application.publish(to, { body: 'first', delay: 100 });
  await until(() => probe.seen.length === 1, 'the first delayed message');
}

export const delays = concern('Delayed publishing', (states) => {
  states(
    'A delayed message is delivered when it is due',
    async ({ open, topic, clock, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      await makeWay(application, topic(), probe, until);
      const delays = { 'the later one': 4_000, 'the sooner one': 1_500, 'the one without a delay': 0 };
      await assertTakes(delays, async () => {
        const [before, start] = [probe.seen.length, clock.now()];
        const publishing = Object.entries(delays).map(([body, delay]) =>
          application.publish(topic(), { body, delay }),
        );
        await Promise.all(publishing);
        await until(() => probe.seen.length === before + 3, 'all three');
        const taken = probe.seen.slice(before).map(({ text, at }) => [text, at - start] as const);
        return Object.fromEntries(taken) as typeof delays;
      });
    },
    delayed,
  );

  states(
    'A delayed task of a queue is delivered when it is due',
    async ({ open, queue, clock, until }) => {
      const application = await open();
      const probe = await application.subscribe(queue());
      await makeWay(application, queue(), probe, until);
      await assertTakes({ 'the task': 1_500 }, async () => {
        const [before, start] = [probe.seen.length, clock.now()];
        await application.publish(queue(), { body: 'task', delay: 1_500 });
        await until(() => probe.seen.length === before + 1, 'the task');
        const { at, message } = probe.seen.at(-1)!;
        assert.deepEqual(message.destination, queue());
        return { 'the task': at - start };
      });
    },
    delayed,
  );

  states(
    'A delayed task is kept for its worker, whatever its service and whenever it starts',
    async ({ open, queue, group, until }) => {
      const sending = await open({ service: group('sender') });
      const working = await open({ service: group('worker') });
      const probe = await working.subscribe(queue('there'));
      await sending.publish(queue('awaited'), { body: 'early', delay: 500 });
      await sending.publish(queue('there'), { body: 'task', delay: 1_500 });
      await until(() => probe.seen.length === 1, 'the task of the worker that is there');
      const later = await working.subscribe(queue('awaited'));
      await until(() => later.seen.length === 1, 'the task that was due before its worker came');
      assert.deepEqual([...probe.texts, ...later.texts], ['task', 'early']);
    },
    delayed,
  );

  states(
    'A delayed message goes to those who subscribe when it is due',
    async ({ open, topic, group, until }) => {
      const application = await open();
      const early = await application.subscribe(topic(), { group: group('early') });
      // Longer than it takes to subscribe, on a machine that is busy.
      await application.publish(topic(), { body: 'due', delay: 6_000 });
      const late = await application.subscribe(topic(), { group: group('late') });
      await until(() => early.seen.length === 1 && late.seen.length === 1, 'it in both groups');
    },
    delayed,
  );

  states(
    'A delayed message survives the process that published it',
    async ({ open, topic, until }) => {
      const publishing = await open();
      const handling = await open();
      const probe = await handling.subscribe(topic());
      await publishing.publish(topic(), { body: 'survivor', delay: 1_500 });
      await publishing.transport.close();
      await until(() => probe.seen.length === 1, 'the message');
    },
    delayed,
  );

  states(
    'Delayed messages that nobody wants do not hold up the others',
    async ({ open, topic, clock, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic('wanted'));
      await makeWay(application, topic('wanted'), probe, until);
      await assertTakes({ 'the last of them': 1_500 }, async () => {
        await Promise.all(
          Array.from({ length: 40 }, () => application.publish(topic('unwanted'), { delay: 1_500 })),
        );
        const [before, start] = [probe.seen.length, clock.now()];
        await Promise.all(
          Array.from({ length: 5 }, () => application.publish(topic('wanted'), { delay: 1_500 })),
        );
        await until(() => probe.seen.length === before + 5, 'the five that are wanted');
        return { 'the last of them': Math.max(...probe.seen.map(({ at }) => at)) - start };
      });
    },
    delayed,
  );

  states(
    'A delayed message arrives as it was published',
    async ({ open, topic, until }) => {
      const application = await open();
      const probe = await application.subscribe(topic());
      const sent = await application.publish(topic(), {
        body: '{"n":1}',
        delay: 1_000,
        headers: { colour: 'red' },
        key: 'k1',
        correlationId: 'conversation',
        causationId: 'cause',
        version: '2',
      });
      await until(() => probe.seen.length === 1, 'the message');
      const { message, text, attempt } = probe.seen[0]!;
      assert.equal(text, '{"n":1}');
      assert.equal(attempt, 1);
      assert.equal(message.id, sent.id);
      assert.deepEqual({ ...message.headers }, { colour: 'red' });
      assert.deepEqual(
        [message.key, message.correlationId, message.causationId, message.version, message.publishedAt],
        ['k1', 'conversation', 'cause', '2', sent.publishedAt],
      );
    },
    delayed,
  );
});
