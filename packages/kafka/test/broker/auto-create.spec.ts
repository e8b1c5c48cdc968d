import { afterAll, beforeAll, expect } from '@jest/globals';
import { startKafka } from '../../../../scripts/brokers/kafka.mjs';
import { acknowledge, onEachDriver, until } from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

let broker: Awaited<ReturnType<typeof startKafka>>;

beforeAll(async () => {
  // As Kafka has it by default.
  broker = await startKafka({ config: 'auto.create.topics.enable=true' });
}, 120_000);

afterAll(() => broker?.remove());

onEachDriver(
  'On a broker that creates whatever topic it is asked for',
  (test) => {
    test('the module creates none by asking, where it may not create', async ({
      open,
      arrange,
      ask,
      write,
      mark,
    }) => {
      const topics = async (): Promise<string[]> =>
        (await arrange((admin) => admin.listTopics())).filter((name) => name.startsWith(mark));
      for (const topology of ['validate', 'none'] as const) {
        const application = await open({}, { topology });
        const { transport } = application;
        await expect(application.publish('a')).rejects.toMatchObject({ code: 'PUBLISH_REJECTED' });
        await expect(application.publish('a', '{}', { delay: 1_000 })).rejects.toMatchObject({
          code: 'PUBLISH_REJECTED',
        });
        await expect(application.enqueue('work')).rejects.toMatchObject({ code: 'PUBLISH_REJECTED' });
        await expect(application.subscribe('a')).rejects.toMatchObject({ code: 'TOPOLOGY' });
        await expect(application.subscribe('a', undefined, { broadcast: true })).rejects.toMatchObject({
          code: 'TOPOLOGY',
        });
        const id = { source: { kind: 'topic', name: 'a' }, group: 'group' } as const;
        expect(await listed(transport.deadLetters, id, 10)).toEqual([]);
        const refusal = (): Promise<unknown> =>
          transport.replay!(id, 'beginning').catch(({ code }: { code: string }) => code);
        // The first of all who ask for a group wait until the broker has where to keep its positions.
        await until(async () => (await refusal()) === 'TOPOLOGY', 'the replay to be refused');
      }
      await ask(async (client) => {
        const missing = `${mark}.missing`;
        expect(await client.leaders([missing])).toEqual(new Map());
        await expect(client.offsets(missing, 'latest')).rejects.toMatchObject({
          code: 'UNKNOWN_TOPIC_OR_PARTITION',
        });
      });
      expect(await topics()).toEqual([]);
      // The broker would: whoever publishes without care has one.
      await write(`${mark}.careless`, { value: 'x' });
      expect(await topics()).toEqual([`${mark}.careless`]);
    });

    test('a topic that is deleted while it is read and written stays away', async ({
      open,
      arrange,
      ask,
      mark,
    }) => {
      const creating = await open();
      await (await creating.subscribe('a')).stop();
      await creating.transport.close();
      const application = await open({}, { topology: 'validate' });
      const probe = await application.subscribe('a');
      let letGo = (): void => undefined;
      const held = new Promise<void>((resolve) => (letGo = resolve));
      const everywhere = await application.subscribe(
        'a',
        async () => {
          await held;
          return acknowledge;
        },
        { broadcast: true, group: 'everywhere' },
      );
      const isHeld = async (): Promise<boolean> =>
        (await application.transport.health()).parts.some(
          ({ name, lag }) => name.includes('everywhere') && lag === 1,
        );
      await application.publish('a', 'before');
      await until(async () => probe.seen.length === 1 && (await isHeld()), 'the message');
      expect(everywhere.seen).toHaveLength(1);
      const topic = `${mark}.a`;
      await arrange((admin) => admin.deleteTopics({ topics: [topic] }));
      await until(
        () =>
          application.publish('a').then(
            () => false,
            ({ code }: { code: string }) => code === 'PUBLISH_REJECTED',
          ),
        'publishes to be rejected',
      );
      // It has asked for the topic more than once by then.
      await until(async () => !(await isHeld()), 'the broadcast to notice');
      letGo();
      expect(await ask((client) => client.leaders([topic]))).toEqual(new Map());
    });
  },
  { brokers: () => broker.url },
);
