import { describe, expect, it } from '@jest/globals';
import { acknowledge, deadLetter, retry, until, useStage } from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

describe('A topology that is there', () => {
  it.each([
    ['topic', 'order.*', 'order.placed'],
    ['direct', 'order.placed', 'order.placed'],
    ['fanout', undefined, 'anything'],
  ] as const)(
    'an exchange of type %s is consumed as it is, retries and dead letters included',
    async (type, bind, key) => {
      const { open, foreign, mark } = stage();
      const { channel } = await foreign();
      await channel.assertExchange(`${mark}.legacy`, type, { durable: false, autoDelete: true });
      const application = await open();
      const probe = await application.subscribe(
        'orders',
        ({ attempt }) => (attempt < 3 ? retry(100) : deadLetter),
        { brokerOptions: { exchange: { name: `${mark}.legacy`, type }, bind } },
      );
      channel.publish(`${mark}.legacy`, key, Buffer.from('one'));
      await until(() => probe.seen.length === 3, 'three attempts');
      expect(probe.seen[0]!.message.destination).toEqual({ kind: 'topic', name: 'orders' });
      expect(probe.seen[2]!.raw).toMatchObject({ fields: { exchange: `${mark}.legacy`, routingKey: key } });
      const { deadLetters } = application.transport;
      await until(
        async () => (await listed(deadLetters, probe.subscription, 9)).length === 1,
        'the dead letter',
      );
      expect(await deadLetters.redrive(probe.subscription)).toBe(1);
      await until(() => probe.seen.length === 6, 'it again');
    },
  );

  it('a queue is consumed as it is, whatever its arguments', async () => {
    const { open, foreign, mark } = stage();
    const { channel } = await foreign();
    const queue = `${mark}.legacy.work`;
    await channel.assertQueue(queue, { exclusive: false, autoDelete: true, durable: false, maxLength: 50 });
    const application = await open();
    const probe = await application.subscribe(
      { kind: 'queue', name: 'work' },
      ({ attempt }) => (attempt < 2 ? retry(150) : acknowledge),
      { brokerOptions: { queue } },
    );
    channel.sendToQueue(queue, Buffer.from('task'));
    await until(() => probe.seen.length === 2, 'two attempts');
    expect(probe.seen[1]).toMatchObject({
      attempt: 2,
      message: { destination: { kind: 'queue', name: 'work' } },
    });
  });

  it('what it lacks is named', async () => {
    const { open, foreign, mark } = stage();
    const { channel } = await foreign();
    await channel.assertExchange(`${mark}.fan`, 'fanout', { autoDelete: true });
    const application = await open();
    const subscribe = (brokerOptions: unknown) => application.subscribe('a', undefined, { brokerOptions });
    await expect(subscribe({ queue: `${mark}.gone` })).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringMatching(
        /topic 'a' of group 'group': queue '.*\.gone' does not exist.*option rabbitmq/,
      ),
    });
    await expect(subscribe({ exchange: { name: `${mark}.gone`, type: 'topic' } })).rejects.toThrow(
      `exchange '${mark}.gone' does not exist`,
    );
    await expect(subscribe({ exchange: { name: `${mark}.fan`, type: 'topic' } })).rejects.toThrow(
      `exchange '${mark}.fan' exists with type 'fanout', expected 'topic'`,
    );
    await expect(subscribe({ queu: 'x' })).rejects.toMatchObject({ code: 'CONFIGURATION' });
    await subscribe(undefined);
  });

  it('is published to raw, with a routing key of its own', async () => {
    const { open, foreign, mark } = stage();
    const { channel } = await foreign();
    await channel.assertExchange(`${mark}.raw`, 'direct', { autoDelete: true });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, `${mark}.raw`, 'other.key');
    await channel.bindQueue(queue, `${mark}.raw`, 'topic.name');
    const application = await open();
    await application.publish('topic.name', '1', {
      brokerOptions: { exchange: `${mark}.raw`, routingKey: 'other.key' },
    });
    await application.publish('topic.name', '2', { brokerOptions: { exchange: `${mark}.raw` } });
    await application.publish('topic.name', '3', { brokerOptions: { exchange: '', routingKey: queue } });
    await application.publish('topic.name', 'nobody', {
      brokerOptions: { exchange: `${mark}.raw`, routingKey: 'x' },
    });
    for (const expected of ['1', '2', '3']) {
      const message = await channel.get(queue, { noAck: true });
      expect(message && message.content.toString()).toBe(expected);
    }
    expect(await channel.get(queue)).toBe(false);
    await expect(
      application.publish('a', '', { delay: 1_000, brokerOptions: { exchange: `${mark}.raw` } }),
    ).rejects.toMatchObject({ code: 'UNSUPPORTED' });
    await expect(application.publish('a', '', { brokerOptions: { exchang: 'x' } })).rejects.toMatchObject({
      code: 'CONFIGURATION',
    });
  });
});
