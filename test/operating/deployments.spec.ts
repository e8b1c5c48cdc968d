import { afterAll, beforeAll, expect } from '@jest/globals';
import { once } from 'node:events';
import {
  DeadLetters,
  defineEvent,
  EventBus,
  MessagingHealth,
  TopologyError,
  type MessageContext,
} from '@nest-messaging/core';
import { z } from 'zod';
import { awsEnvironment } from '../support/aws.js';
import { startConsumer } from '../applications/consumer-process.js';
import { nestMessaging, ofShop, urlOf } from './command-line.js';
import { procedure } from './procedure.js';
import { allBrokers, onEach, onEvent, realBrokers, until, upTo } from './stage.js';

procedure('Deploy', () => {
  const given = { ...process.env };
  beforeAll(() => void Object.assign(process.env, awsEnvironment()));
  afterAll(() => {
    process.env = given;
  });

  for (const broker of realBrokers)
    onEach(
      [broker],
      'the topology is made first, then publishers and handlers start in any order without making anything',
      async ({ namespace, start }) => {
        const billed: unknown[] = [];
        const web = { service: 'web', topology: 'validate' } as const;
        const shop = {
          topology: 'validate',
          providers: [onEvent('order.placed', (order) => billed.push(order))],
        } as const;
        const handling = [...ofShop(broker, namespace), '--handle', 'order.placed'];

        await expect(start(shop)).rejects.toThrow(TopologyError);
        expect(await nestMessaging('doctor', ...handling, '--topology', 'validate')).toBe(1);

        expect(await nestMessaging('topology', ...handling, '--apply')).toBe(0);
        expect(await nestMessaging('doctor', ...handling, '--topology', 'validate')).toBe(0);

        const publisher = await start(web);
        await publisher.get(EventBus).publish('order.placed', 'before anybody handles it');
        await start(shop);
        await until(() => billed.length > 0);
        expect(billed).toEqual(['before anybody handles it']);
      },
    );
});

procedure('Scale out and in', () => {
  onEach(
    allBrokers,
    'a second process shares the work, and nothing is lost when it goes',
    async ({ start, stop }) => {
      const [one, two] = [new Set<number>(), new Set<number>()];
      const bothWork = (): boolean => one.size > 0 && two.size > 0;
      const shop = (seen: Set<number>) => ({
        providers: [
          onEvent(
            'order.placed',
            async (order) => {
              seen.add(order);
              // So busy that one process alone would not get any further.
              await until(bothWork);
            },
            { concurrency: 1 },
          ),
        ],
      });
      const first = await start(shop(one));
      const second = await start(shop(two));
      const events = first.get(EventBus);

      let published = 0;
      const publish = (): Promise<void> => events.publish('order.placed', ++published);
      await until(async () => (await publish(), bothWork()));

      const more = Promise.all(upTo(50).map(publish));
      await stop(second);
      await more;
      await until(() => new Set([...one, ...two]).size === published);
    },
  );
});

procedure('Roll back', () => {
  const Placed1 = defineEvent('order.placed', { schema: z.strictObject({ id: z.string() }) });
  const Placed2 = defineEvent('order.placed', {
    schema: z.strictObject({ id: z.string(), coupon: z.string().optional() }),
  });

  onEach(
    allBrokers,
    'what the older release does not handle waits, and what it does not understand is set aside, for the next one',
    async ({ start, stop }) => {
      const seen: unknown[] = [];
      const see = (payload: unknown): void => void seen.push(payload);
      const newer = { providers: [onEvent(Placed2, see), onEvent('order.paid', see)] };
      const older = { providers: [onEvent(Placed1, see)] };
      await stop(await start(newer));

      const back = await start(older);
      const letters = back.get(DeadLetters);
      await back.get(EventBus).publish('order.paid', 'paid meanwhile');
      await back.get(EventBus).publish(Placed2, { id: 'new', coupon: 'X' });
      await back.get(EventBus).publish(Placed1, { id: 'old' });
      await until(async () => (await letters.list({ topic: Placed1 })).letters.length === 1);
      await until(() => seen.length === 1);
      expect(seen).toEqual([{ id: 'old' }]);
      await stop(back);

      const again = await start(newer);
      await again.get(DeadLetters).redrive({ topic: Placed2 }, 'all');
      await until(() => seen.length === 3);
      expect(seen).toEqual(expect.arrayContaining(['paid meanwhile', { id: 'new', coupon: 'X' }]));
    },
  );
});

procedure('Drain and shut down', () => {
  onEach(
    allBrokers,
    'the process is not ready and stays alive until what runs has ended, and the rest is handled by another',
    async ({ start, stop }) => {
      const [began, byAnother]: [number[], number[]] = [[], []];
      let end!: () => void;
      const ends = new Promise<void>((resolve) => (end = resolve));
      const first = await start({
        providers: [
          onEvent('order.placed', async (order) => (began.push(order), await ends), { concurrency: 1 }),
        ],
      });
      const publisher = await start({ service: 'web' });
      for (const order of upTo(5)) await publisher.get(EventBus).publish('order.placed', order);
      await until(() => began.length === 1);

      const stopped = stop(first);
      const health = first.get(MessagingHealth);
      await until(async () => !(await health.check()).ready);
      expect(await health.check()).toMatchObject({ ready: false, live: true });
      end();
      await stopped;

      await start({ providers: [onEvent('order.placed', (order) => byAnother.push(order))] });
      const rest = upTo(5).filter((order) => !began.includes(order));
      await until(() => byAnother.length >= rest.length);
      expect(byAnother.sort()).toEqual(rest);
    },
  );

  for (const broker of realBrokers)
    onEach(
      [broker],
      'SIGTERM ends a process when what runs has ended, and not before; the rest is handled by another',
      async ({ namespace, start }) => {
        const rest: string[] = [];
        const slow = { TAKES: '1000', CONCURRENCY: '1' };
        const env = { ...awsEnvironment(), BROKER_URL: urlOf(broker), NAMESPACE: namespace, ...slow };
        const { child, lines, said } = startConsumer(env);
        const idsOf = (what: RegExp): string[] => lines.flatMap((line) => what.exec(line)?.[1] ?? []);
        try {
          await said('ready');
          const publisher = await start({ service: 'web' });
          const ids = upTo(5).map((n) => `m${n}`);
          for (const messageId of ids)
            await publisher.get(EventBus).publish('order.placed', {}, { messageId });
          await said(/^handling/);
          child.kill('SIGTERM');
          expect(await once(child, 'exit')).toEqual([null, 'SIGTERM']);
          const handled = idsOf(/^handled (\S+)$/);
          expect(idsOf(/^handling (\S+),/)).toEqual(handled);
          expect(handled.length).toBeLessThan(ids.length);

          const other = onEvent('order.placed', (_, { id }) => rest.push(id));
          await start({ service: 'billing', providers: [other] });
          await until(() => rest.length >= ids.length - handled.length);
          expect([...handled, ...rest].sort()).toEqual(ids);
        } finally {
          child.kill('SIGKILL');
        }
      },
    );

  onEach(
    allBrokers,
    'what has not ended within drainTimeout is told so, and handled again',
    async ({ start, stop }) => {
      const told: unknown[] = [];
      const again: unknown[] = [];
      let began = false;
      const hanging = async (order: unknown, { signal }: MessageContext): Promise<void> => {
        began = true;
        await once(signal, 'abort');
        told.push(order);
      };
      const first = await start({ drainTimeout: '100ms', providers: [onEvent('order.placed', hanging)] });
      await first.get(EventBus).publish('order.placed', 1);
      await until(() => began);
      await stop(first);
      expect(told).toEqual([1]);
      await start({ providers: [onEvent('order.placed', (order) => again.push(order))] });
      await until(() => again.length > 0);
    },
  );
});
