import { afterAll, beforeAll, expect } from '@jest/globals';
import type { Subscription } from '@nest-messaging/core/contract';
import { startKafka } from '../../../../scripts/brokers/kafka.mjs';
import { acknowledge, onEachDriver, until } from '../stage.js';

let broker: Awaited<ReturnType<typeof startKafka>>;

beforeAll(async () => {
  // As Kafka has it by default: whoever comes first waits for others.
  broker = await startKafka({ config: 'group.initial.rebalance.delay.ms=3000' });
}, 120_000);

afterAll(() => broker?.remove());

onEachDriver(
  'A process that goes while the broker still lets it wait to join',
  (test) => {
    test('leaves nobody behind for whom others would have to wait', async ({ open, arrange, mark }) => {
      const options = { sessionTimeout: '30s' } as const;
      const first = await open(options);
      // The relay begins to join.
      await first.publish('a', '{}', { delay: 60_000 });
      const group = `${mark}.service--delay`;
      const members = async (): Promise<number> =>
        (await arrange((admin) => admin.describeGroups([group]))).groups[0]!.members.length;
      await until(async () => (await members()) === 1, 'it to wait');
      await first.transport.close();
      expect(await members()).toBe(0);
      const second = await open(options);
      const probe = await second.subscribe('b');
      const start = Date.now();
      await second.publish('b', '{}', { delay: 200 });
      await until(() => probe.seen.length === 1, 'what was delayed');
      expect(Date.now() - start).toBeLessThan(15_000);
    });

    for (const how of ['is given up, since it takes too long', 'is closed'])
      test(`leaves its subscription's group, too, when it ${how}`, async ({ open, arrange, mark }) => {
        const subscription: Subscription = {
          source: { kind: 'topic', name: 'c' },
          group: 'group',
          ordered: false,
          broadcast: false,
          maxUnsettled: 1,
        };
        // So that all the time there is goes into joining.
        await (
          await open()
        ).transport.establish!({
          subscriptions: [subscription],
          publications: [],
          delays: false,
        });
        const group = `${mark}.group.c`;
        const members = async (): Promise<number> =>
          (await arrange((admin) => admin.describeGroups([group]))).groups[0]!.members.length;
        const closed = how === 'is closed';
        const { transport } = await open({ sessionTimeout: '30s' }, closed ? {} : { connectTimeout: 2_500 });
        const outcome = transport
          .subscribe(subscription, async () => acknowledge)
          .catch((error: unknown) => error);
        await until(async () => (await members()) === 1, 'it to wait');
        if (closed) await transport.close();
        else await outcome;
        expect(await members()).toBe(0);
        expect(await outcome).toMatchObject({ code: closed ? 'CLOSED' : 'CONNECTION' });
      });
  },
  { brokers: () => broker.url },
);
