import { describe, expect, it } from '@jest/globals';
import { startProxy } from '../proxy.js';
import { rabbitmqUrl } from '../../../../test/support/rabbitmq.js';
import { until, useStage } from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

const stage = useStage();

describe('Publishing', () => {
  it('to a queue that was deleted meanwhile makes it anew', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    await application.enqueue('work', 'first');
    const { channel } = await foreign();
    await channel.deleteQueue(`${mark}.work`);
    await application.enqueue('work', 'second');
    expect((await channel.checkQueue(`${mark}.work`)).messageCount).toBe(1);
  });

  it('to a queue that others make at the same time is taken, though RabbitMQ refuses at first', async () => {
    const { open, foreign, mark } = stage();
    const applications = await Promise.all(Array.from({ length: 12 }, () => open()));
    const { channel } = await foreign();
    for (let round = 0; round < 5; round++) {
      await Promise.all(applications.map((application) => application.enqueue(`work${round}`)));
      expect((await channel.checkQueue(`${mark}.work${round}`)).messageCount).toBeGreaterThanOrEqual(12);
    }
  });

  it('with as many headers as can be sent leaves room for what a dead letter tells', async () => {
    const { open } = stage();
    const application = await open();
    const failure = { name: 'Error', message: 'x'.repeat(10_000), at: 0 };
    const probe = await application.subscribe('a', () => ({ type: 'dead-letter', failure, attempts: 1 }));
    const headers = (bytes: number) => ({ headers: { long: 'x'.repeat(bytes) } });
    await expect(application.publish('a', '', headers(57_344))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    await application.publish('a', '', headers(56_500));
    const letters = () => listed(application.transport.deadLetters, probe.subscription, 9);
    await until(async () => (await letters()).length === 1, 'the dead letter');
    expect((await letters())[0]!.message.headers['long']).toHaveLength(56_500);
  });

  it('to an exchange that was deleted meanwhile makes it anew', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    await application.publish('a');
    const { channel } = await foreign();
    await channel.deleteExchange(mark);
    await Promise.all(Array.from({ length: 20 }, () => application.publish('a')));
    await channel.checkExchange(mark);
  });

  it('to a queue that may not be made is refused, each by itself', async () => {
    const { open, foreign, mark } = stage();
    const application = await open({}, { topology: 'none' });
    const { channel } = await foreign();
    await channel.assertQueue(`${mark}.there`, { exclusive: true });
    const outcomes = await Promise.allSettled(
      Array.from({ length: 40 }, (_, i) => application.enqueue(i % 2 ? 'there' : 'missing')),
    );
    for (const [i, outcome] of outcomes.entries())
      expect(outcome).toMatchObject(
        i % 2 ? { status: 'fulfilled' } : { status: 'rejected', reason: { code: 'PUBLISH_REJECTED' } },
      );
    expect((await channel.checkQueue(`${mark}.there`)).messageCount).toBe(20);
    await expect(application.enqueue('missing')).rejects.toThrow(`queue '${mark}.missing' does not exist`);
  });

  it('to a missing exchange is refused for the culprit alone', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    const { channel } = await foreign();
    await channel.assertExchange(`${mark}.raw`, 'fanout', { autoDelete: true });
    const { queue } = await channel.assertQueue('', { exclusive: true });
    await channel.bindQueue(queue, `${mark}.raw`, '');
    const outcomes = await Promise.allSettled(
      Array.from({ length: 30 }, (_, i) =>
        application.publish('a', `${i}`, {
          brokerOptions: { exchange: i % 10 === 4 ? `${mark}.missing` : `${mark}.raw` },
        }),
      ),
    );
    const rejected = outcomes.flatMap(({ status }, i) => (status === 'rejected' ? [i] : []));
    expect(rejected).toEqual([4, 14, 24]);
    expect(outcomes[4]).toMatchObject({
      reason: {
        code: 'PUBLISH_REJECTED',
        message: expect.stringContaining(`exchange '${mark}.missing' does not exist`),
      },
    });
    expect((await channel.checkQueue(queue)).messageCount).toBeGreaterThanOrEqual(27);
    await application.publish('a');
  });

  it('of headers beyond 64 KiB is refused before it is sent, and the connection stays usable', async () => {
    const { open } = stage();
    const application = await open();
    const probe = await application.subscribe('a');
    const attempts = [
      application.publish('a', 'before'),
      application.publish('a', 'large', { headers: { large: 'x'.repeat(70_000) } }),
      application.publish('a', 'long', { id: 'x'.repeat(300) }),
      application.publish('a', 'named', { headers: { ['x'.repeat(300)]: '' } }),
      application.publish('a', 'after'),
    ];
    expect(await Promise.allSettled(attempts)).toMatchObject([
      { status: 'fulfilled' },
      ...Array.from({ length: 3 }, () => ({ status: 'rejected', reason: { code: 'MESSAGE_TOO_LARGE' } })),
      { status: 'fulfilled' },
    ]);
    await until(() => probe.texts.includes('after'), 'the last');
    expect(probe.texts).toEqual(['before', 'after']);
    expect(application.events.filter(({ type }) => type === 'disconnected')).toEqual([]);
  });

  it('of headers beyond the frame the broker agreed to ends no more than its own message', async () => {
    const { open } = stage();
    // The broker closes the connection for it, and does not say which message it was.
    const application = await open({
      client: { frameMax: 8_192, recovery: { initialDelay: 10, maxDelay: 50 } },
    });
    const outcomes = await Promise.allSettled([
      application.publish('a', '1'),
      application.publish('a', '2', { headers: { large: 'x'.repeat(20_000) } }),
      application.publish('a', '3'),
    ]);
    expect(outcomes).toMatchObject([
      { status: 'fulfilled' },
      { status: 'rejected', reason: { code: 'PUBLISH_REJECTED' } },
      { status: 'fulfilled' },
    ]);
  });

  it('of a body beyond the limit is refused before it is sent', async () => {
    const { open } = stage();
    const application = await open({ maxBodySize: 1_000 });
    await expect(application.publish('a', 'x'.repeat(1_001))).rejects.toMatchObject({
      code: 'MESSAGE_TOO_LARGE',
    });
    await application.publish('a', 'x'.repeat(1_000));
  });

  it('while the broker is away waits, gives up when told to, and sends nothing afterwards', async () => {
    const { open, after } = stage();
    const proxy = await startProxy(rabbitmqUrl());
    after(() => proxy.close());
    const application = await open({ url: proxy.url });
    const probe = await application.subscribe('a');
    const back = await proxy.away();
    await until(async () => !(await application.transport.health()).ready, 'health to see it');
    const reason = new Error('enough');
    const controller = new AbortController();
    const given = Promise.allSettled(
      Array.from({ length: 5 }, (_, i) =>
        application.publish('a', `given up ${i}`, { signal: controller.signal }),
      ),
    );
    const kept = application.publish('a', 'kept');
    controller.abort(reason);
    for (const outcome of await given) expect(outcome).toEqual({ status: 'rejected', reason });
    await back();
    await kept;
    await until(() => probe.texts.includes('kept'), 'the one that waited');
    expect(probe.texts).toEqual(['kept']);
  });

  it('keeps its order through cut connections', async () => {
    const { open, after } = stage();
    const proxy = await startProxy(rabbitmqUrl());
    after(() => proxy.close());
    const application = await open({ url: proxy.url });
    const probe = await (await open()).subscribe('a', undefined, { ordered: true, maxUnsettled: 100 });
    const publishes: Promise<void>[] = [];
    for (let i = 0; i < 300; i++) {
      publishes.push(application.publish('a', `${i}`));
      if (i % 60 === 30) {
        proxy.cut();
        await publishes[i - 10];
      }
    }
    await Promise.all(publishes);
    await until(() => new Set(probe.texts).size === 300, 'all of them');
    const firsts = probe.texts.filter((text, i) => probe.texts.indexOf(text) === i).map(Number);
    expect(firsts).toEqual([...firsts].sort((a, b) => a - b));
  });
});
