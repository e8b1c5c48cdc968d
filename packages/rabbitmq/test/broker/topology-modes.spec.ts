import { describe, expect, it } from '@jest/globals';
import { until, useStage } from '../stage.js';

const stage = useStage();

describe('What exists and does not fit', () => {
  it('is refused, naming resource, argument and what to do; nothing is changed', async () => {
    const { open, foreign, mark } = stage();
    const { channel, connection } = await foreign();
    const queue = `${mark}.group.order.placed`;
    await channel.assertExchange(mark, 'topic');
    await channel.assertQueue(queue, { arguments: { 'x-queue-type': 'classic' } });
    channel.sendToQueue(queue, Buffer.from('precious'));
    const application = await open();
    await expect(application.subscribe('order.placed')).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringMatching(
        /^topic 'order\.placed' of group 'group': queue '.*' exists with x-queue-type 'classic', expected 'quorum': nothing was changed; delete it once it is empty.*queueType/,
      ),
    });
    expect((await channel.checkQueue(queue)).messageCount).toBe(1);
    // Not even a binding was made.
    await application.publish('order.placed');
    expect((await channel.checkQueue(queue)).messageCount).toBe(1);
    await connection.close();
  });

  it('is refused for an exchange too', async () => {
    const { open, foreign, mark } = stage();
    const { channel } = await foreign();
    await channel.assertExchange(mark, 'fanout');
    const application = await open();
    await expect(application.publish('a')).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringContaining(`exchange '${mark}' exists with type 'fanout', expected 'topic'`),
    });
    await expect(application.subscribe('a')).rejects.toMatchObject({ code: 'TOPOLOGY' });
  });

  it('is never met because a handler’s option changed', async () => {
    const { open } = stage();
    for (const maxUnsettled of [1, 50, 7]) {
      const application = await open();
      const probe = await application.subscribe('a', undefined, { maxUnsettled });
      await application.publish('a');
      await until(() => probe.seen.length === 1, 'the message');
      await application.transport.close();
    }
  });

  it('two subscriptions whose queues would have one name are refused', async () => {
    const { open } = stage();
    const application = await open();
    await application.subscribe('b.c', undefined, { group: 'a' });
    await expect(application.subscribe('c', undefined, { group: 'a.b' })).rejects.toThrow(
      /topic 'c' of group 'a\.b' and topic 'b\.c' of group 'a' would share queue/,
    );
  });
});

describe('Topology', () => {
  it('`validate` creates nothing, and says what it cannot see', async () => {
    const { open, mark } = stage();
    const creating = await open();
    await creating.subscribe('a');
    const application = await open({}, { topology: 'validate' });
    await application.subscribe('a');
    const warnings = application.events.flatMap((event) => (event.type === 'warning' ? [event] : []));
    expect(warnings.map(({ message }) => message)).toEqual([
      expect.stringContaining('cannot be read over AMQP'),
      expect.stringContaining('not all delays can be had'),
    ]);
    expect(warnings[1]!.error).toMatchObject({
      message: expect.stringContaining(`'${mark}.service--delay-0'`),
    });
    await expect(application.subscribe('b')).rejects.toThrow(`queue '${mark}.group.b' does not exist`);
  });

  it('of classic queues works as well, and counts no deliveries', async () => {
    const { open } = stage();
    const application = await open({ queueType: 'classic' });
    expect(application.transport.capabilities.countsDeliveries).toBe(false);
    const probe = await application.subscribe('a');
    await application.publish('a', '', { delay: 100 });
    await until(() => probe.seen.length === 1, 'the message');
  });
});
