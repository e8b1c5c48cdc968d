import { expect } from '@jest/globals';
import { namesOf, onEachDriver, ready, until, type Application } from '../stage.js';

const bodies = (count: number, from = 0): string[] => Array.from({ length: count }, (_, i) => `${from + i}`);
const publishAll = (application: Application, topic: string, texts: readonly string[]): Promise<unknown> =>
  Promise.all(texts.map((text) => application.publish(topic, text)));
const sorted = (texts: readonly string[]): string[] => texts.toSorted((a, b) => Number(a) - Number(b));
const gaps = ({ events }: Application): string[] =>
  events.flatMap((event) => (event.type === 'gap' ? [event.message] : []));

onEachDriver('A subscription that has never run', (test) => {
  test('begins with what is published from then on', async ({ open }) => {
    const application = await open();
    await publishAll(application, 'a', bodies(20));
    const probe = await application.subscribe('a');
    await publishAll(application, 'a', bodies(20, 20));
    await until(() => probe.seen.length >= 20, 'the later ones');
    expect(sorted(probe.texts)).toEqual(bodies(20, 20));
  });

  test('begins with all that is kept, where its handler says so', async ({ open }) => {
    const application = await open();
    await publishAll(application, 'a', bodies(20));
    const brokerOptions = { from: 'beginning' };
    const probe = await application.subscribe('a', undefined, { brokerOptions });
    await publishAll(application, 'a', bodies(20, 20));
    await until(() => probe.seen.length >= 40, 'all');
    expect(sorted(probe.texts)).toEqual(bodies(40));
    // The second time it goes on where it was, whatever the option says.
    await probe.stop();
    const again = await application.subscribe('a', undefined, { brokerOptions });
    await publishAll(application, 'a', bodies(5, 40));
    await until(() => again.seen.length >= 5, 'the last');
    expect(sorted(again.texts)).toEqual(bodies(5, 40));
    expect(gaps(application)).toEqual([]);
  });

  test('that is stopped before anything came misses nothing meanwhile', async ({ open }) => {
    const application = await open();
    await (await application.subscribe('a')).stop();
    await publishAll(application, 'a', bodies(20));
    const probe = await application.subscribe('a');
    await until(() => probe.seen.length >= 20, 'what came meanwhile');
    expect(sorted(probe.texts)).toEqual(bodies(20));
  });
});

onEachDriver('While a subscription runs', (test) => {
  test('a partition is added, and nothing in it is lost', async ({ open, arrange, ask, write, mark }) => {
    const application = await open();
    const probe = await application.subscribe('a');
    const topic = `${mark}.a`;
    await arrange((admin) => admin.createPartitions({ topicPartitions: [{ topic, count: 5 }] }));
    // The plain client drops what is for a partition that it does not know.
    await until(
      async () => (await ask((client) => client.leaders([topic]))).get(topic)?.length === 5,
      'them',
    );
    await write(topic, ...[0, 1, 2, 3, 4].map((partition) => ({ partition, value: `${partition}` })));
    await until(() => new Set(probe.texts).size >= 5, 'all partitions');
  });

  test('topics are created under its pattern, and nothing in them is lost', async ({ open }) => {
    const application = await open();
    const probe = await application.subscribe('order.*');
    // Before it can be found, and after.
    for (let n = 0; n < 4; n++) {
      await publishAll(application, `order.t${n}`, bodies(10, n * 20));
      await until(() => probe.seen.length >= n * 20 + 10, 'the first of them');
      await publishAll(application, `order.t${n}`, bodies(10, n * 20 + 10));
    }
    await publishAll(application, 'payment.made', bodies(3));
    await until(() => probe.seen.length >= 80, 'all');
    expect(sorted(probe.texts)).toEqual(bodies(80));
    expect(new Set(probe.seen.map(({ message }) => message.destination.name)).size).toBe(4);
  });

  test('records are deleted before it comes to them: the gap is told, and it goes on', async ({
    open,
    ask,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const probe = await application.subscribe(
      'a',
      async () => {
        await held;
        return { type: 'acknowledge' };
      },
      { maxUnsettled: 1 },
    );
    const topic = `${mark}.a`;
    // More than it fetches ahead.
    const text = (n: number): string => `${n} ${'x'.repeat(10_000)}`;
    for (let n = 0; n < 600; n += 100)
      await publishAll(
        application,
        'a',
        bodies(100, n).map((at) => text(Number(at))),
      );
    await until(() => probe.seen.length === 1, 'the first');
    await ask((client) => client.deleteRecords([{ topic, partition: 0, offset: 590 }]));
    letGo();
    await until(() => probe.texts.includes(text(599)), 'the last');
    expect(gaps(application)).toHaveLength(1);
    expect(gaps(application)[0]).toMatch(/records \d+ to 589 of partition 0 .* it goes on at 590/);
    for (let n = 590; n < 600; n++) expect(probe.texts).toContain(text(n));
    await publishAll(application, 'a', ['after']);
    await until(() => probe.texts.includes('after'), 'what comes after');
    expect(await ready(application)).toBe(true);
  });
});

onEachDriver('While a broadcast runs', (test) => {
  test('its topic is deleted, and made anew with more than it had: it gets all of that', async ({
    open,
    arrange,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const probe = await application.subscribe(
      'a',
      async ({ message }) => {
        if (Buffer.from(message.body).toString() === '4') await held;
        return { type: 'acknowledge' };
      },
      { broadcast: true },
    );
    const lag = async (): Promise<number | undefined> =>
      (await application.transport.health()).parts.find((part) => part.lag !== undefined)?.lag;
    await publishAll(application, 'a', bodies(5));
    await until(async () => probe.seen.length === 5 && (await lag()) === 1, 'the one that is held');
    await arrange((admin) => admin.deleteTopics({ topics: [`${mark}.a`] }));
    await until(async () => (await lag()) === 0, 'the loss to be noticed');
    letGo();
    await publishAll(application, 'a', bodies(10, 5));
    await until(
      () => probe.seen.length >= 15,
      () => `all, not ${probe.texts.join()}`,
    );
    expect(sorted(probe.texts)).toEqual(bodies(15));
    await until(async () => (await lag()) === 0, 'all to be done');
  });
});

onEachDriver('While no process of a group runs', (test) => {
  test('its positions vanish: the gap is told, and it goes on with the oldest that is kept', async (stage) => {
    const { open, arrange } = stage;
    const application = await open();
    const probe = await application.subscribe('a');
    await publishAll(application, 'a', bodies(10));
    await until(() => probe.seen.length === 10, 'the first');
    await probe.stop();
    const { group } = namesOf(stage, probe);
    await until(
      () =>
        arrange((admin) => admin.deleteGroups([group])).then(
          () => true,
          () => false,
        ),
      'the group to be deleted',
    );
    await publishAll(application, 'a', bodies(10, 10));
    const again = await application.subscribe('a');
    await until(() => again.seen.length >= 20, 'all that is kept');
    expect(sorted(again.texts)).toEqual(bodies(20));
    expect(gaps(application)).toHaveLength(1);
    expect(gaps(application)[0]).toMatch(/topic 'a' of group 'group' has a gap: Kafka has forgotten/);
  });

  test('records are deleted that it had not handled: the gap is told, and it goes on', async ({
    open,
    ask,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    const probe = await application.subscribe('a');
    await probe.stop();
    await publishAll(application, 'a', bodies(20));
    await ask((client) => client.deleteRecords([{ topic: `${mark}.a`, partition: 0, offset: 15 }]));
    const again = await application.subscribe('a');
    await until(() => again.seen.length >= 5, 'what is left');
    expect(sorted(again.texts)).toEqual(bodies(5, 15));
    expect(gaps(application)).toEqual([
      expect.stringMatching(/records 0 to 14 of partition 0 of '.*\.a' were deleted .* it goes on at 15/),
    ]);
  });

  test('its topic is made anew, and it begins with the first record', async ({
    open,
    arrange,
    ask,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    const probe = await application.subscribe('a');
    await publishAll(application, 'a', bodies(20));
    await until(() => probe.seen.length === 20, 'the first');
    await probe.stop();
    const topic = `${mark}.a`;
    await arrange((admin) => admin.deleteTopics({ topics: [topic] }));
    // For a moment the broker still takes what goes away with the topic.
    await until(async () => !(await ask((client) => client.leaders([topic]))).has(topic), 'its end');
    // Whoever publishes makes it anew, at once: all that goes elsewhere would wait, too.
    const start = Date.now();
    await publishAll(application, 'a', bodies(5, 20));
    expect(Date.now() - start).toBeLessThan(3_000);
    const again = await application.subscribe('a');
    await until(() => again.seen.length >= 5, 'what there is', 40_000);
    expect(sorted(again.texts)).toEqual(bodies(5, 20));
  });

  test('its topic is made anew while it runs, and it goes on there, and keeps its positions', async ({
    open,
    arrange,
    ask,
    mark,
  }) => {
    const application = await open({ partitions: 1 });
    const probe = await application.subscribe('a', undefined, { maxUnsettled: 100 });
    // More than may be done beyond the position kept.
    await publishAll(application, 'a', bodies(1_200));
    await until(() => probe.seen.length === 1_200, 'the first');
    const topic = `${mark}.a`;
    await arrange((admin) => admin.deleteTopics({ topics: [topic] }));
    // For a moment the broker still takes what goes away with the topic.
    await until(async () => !(await ask((client) => client.leaders([topic]))).has(topic), 'its end');
    await publishAll(application, 'a', bodies(1_100));
    await until(
      () => probe.seen.length >= 2_300,
      () => `all of both, not ${probe.seen.length}`,
    );
    await probe.stop();
    expect(await ask((client) => client.committed(`${mark}.group.a`, [`${mark}.a`]))).toEqual([
      expect.objectContaining({ partition: 0, offset: 1_100 }),
    ]);
  });
});
