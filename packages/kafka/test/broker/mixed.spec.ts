import { describe, expect, it } from '@jest/globals';
import { onEachDriver, drivers, onStage, until, type Application, type Probe } from '../stage.js';
import { kafkaBrokers } from '../../../../test/support/kafka.js';

const numbers = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`);
const publishAll = (application: Application, topic: string, bodies: readonly string[]): Promise<unknown> =>
  Promise.all(bodies.map((body) => application.publish(topic, body)));
const sorted = (probes: readonly Probe[]): string[] =>
  probes.flatMap(({ texts }) => texts).sort((a, b) => Number(a) - Number(b));

const platformatic = drivers.find(({ name }) => name === 'platformatic')!;

(platformatic.missing ? describe.skip : describe)(
  platformatic.missing
    ? `Members with different drivers: not here, as ${platformatic.missing}`
    : 'Members with different drivers',
  () => {
    it('share a group, as they come and go, and nothing is handled twice', () =>
      onStage('kafkajs', kafkaBrokers(), async ({ open }) => {
        const probes: Probe[] = [];
        const applications: Application[] = [];
        const publisher = await open();
        let next = 0;
        const more = async (): Promise<void> => {
          await publishAll(publisher, 'a', numbers(60, next));
          next += 60;
        };
        for (const driver of ['kafkajs', 'platformatic', 'kafkajs', 'platformatic'] as const) {
          const application = await open({ driver, partitions: 8 });
          applications.push(application);
          probes.push(await application.subscribe('a'));
          await more();
        }
        await until(() => sorted(probes).length >= next, 'all so far');
        await until(async () => {
          const before = probes.map(({ seen }) => seen.length);
          await more();
          await until(() => sorted(probes).length >= next, 'them');
          return probes.every(({ seen }, at) => seen.length > before[at]!);
        }, 'each to have its share');
        // The leader goes first, whichever driver it had.
        for (const [at, probe] of probes.slice(0, 3).entries()) {
          const [, stopped] = await Promise.all([more(), probe.stop()]);
          expect(stopped).toBeUndefined();
          await applications[at]!.transport.close();
        }
        await more();
        await until(
          () => sorted(probes).length >= next,
          () => `all ${next}, not ${sorted(probes).length}`,
        );
        expect(sorted(probes)).toEqual(numbers(next));
      }));
  },
);

onEachDriver('An old member beside a new one', (test, driver) => {
  test('with more topics under its pattern, and more handlers: all is handled, nothing twice', async ({
    open,
  }) => {
    const other = drivers.find(({ name, missing }) => name !== driver && !missing)?.name ?? driver;
    // The old one looks for topics so seldom that it knows only those of its start.
    const old = await open({ discovery: '10m' });
    const publisher = await open();
    await publisher.publish('order.first');
    const probes = [await old.subscribe('order.*')];
    await publishAll(publisher, 'order.first', numbers(30));
    await publishAll(publisher, 'order.second', numbers(30, 30));
    const fresh = await open({ driver: other });
    probes.push(await fresh.subscribe('order.*'));
    await publishAll(publisher, 'order.second', numbers(30, 60));
    await publishAll(publisher, 'order.third', numbers(30, 90));
    await publishAll(publisher, 'order.first', numbers(30, 120));
    await until(
      () => sorted(probes).length >= 150,
      () => `all, not ${sorted(probes).length}`,
    );
    expect(sorted(probes)).toEqual(numbers(150));
    // A handler that only the new version has, in the same group, takes nothing from the old one.
    const added = await fresh.subscribe('payment.made');
    await publisher.publish('payment.made', 'paid');
    await until(() => added.texts.includes('paid'), 'the new handler');
    await probes[1]!.stop();
    probes.push(await fresh.subscribe('order.*'));
    await publishAll(publisher, 'order.third', numbers(30, 150));
    await until(
      () => sorted(probes).length >= 180,
      () => `all, not ${sorted(probes).length}`,
    );
    expect(sorted(probes)).toEqual(numbers(180));
  });
});
