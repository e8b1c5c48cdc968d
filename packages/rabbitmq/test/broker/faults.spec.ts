import { afterAll, beforeAll, describe, expect, it } from '@jest/globals';
import { quorumQueuesWritten, startRabbitmq } from '../../../../scripts/brokers/rabbitmq.mjs';
import { acknowledge, deadLetter, retry, until, useStage } from '../stage.js';
import { listed } from '../../../../test/support/dead-letters.js';

/** A broker of this file's own, to be killed, filled and forbidden. */
let broker: Awaited<ReturnType<typeof startRabbitmq>>;
const stage = useStage(() => broker.url);

beforeAll(async () => {
  broker = await startRabbitmq();
}, 120_000);
afterAll(() => broker?.remove(), 60_000);

const recovery = { initialDelay: 20, maxDelay: 500 };

/** Publishes without a pause until it is stopped; tells what resolved. */
function publishUntilStopped(publish: (body: string) => Promise<void>, workers = 8) {
  const resolved = new Set<string>();
  const rejected: unknown[] = [];
  let stopped = false;
  const running = Array.from({ length: workers }, async (_, worker) => {
    for (let i = 0; !stopped; i++) {
      const body = `${worker}-${i}`;
      await publish(body).then(
        () => resolved.add(body),
        (error: unknown) => rejected.push(error),
      );
    }
  });
  return {
    resolved,
    rejected,
    async stop() {
      stopped = true;
      await Promise.all(running);
    },
  };
}

describe('A broker that', () => {
  it.each(['kill', 'stop'] as const)(
    'is ended (%s) and started under load loses nothing that was resolved',
    async (how) => {
      const { open, mark } = stage();
      const application = await open({ client: { recovery } });
      const handled = new Set<string>();
      const probe = await application.subscribe(
        'a',
        ({ message, attempt }) => {
          const text = Buffer.from(message.body).toString();
          if (attempt === 1 && text.endsWith('5')) return retry(700);
          if (attempt === 1 && text.endsWith('9')) return deadLetter;
          handled.add(text);
          return acknowledge;
        },
        { maxUnsettled: 50 },
      );
      // All that is needed exists and is on disk before the fault: what a broker forgets of its own is not ours to show.
      await Promise.all([application.publish('a', '5'), application.publish('a', 'x', { delay: 700 })]);
      await until(() => handled.has('5') && handled.has('x'), 'the delays to work');
      const base = `${mark}.group.a`;
      await quorumQueuesWritten(broker, [
        base,
        `${base}--dead`,
        `${base}--suspect`,
        ...[0, 1, 2].map((level) => `${mark}.service--delay-${level}`),
        `${mark}.service--sink`,
        `${mark}.service--strays`,
      ]);
      const load = publishUntilStopped((body) => application.publish('a', body));
      const delayed = publishUntilStopped(
        (body) => application.publish('a', `delayed ${body}`, { delay: 600 }),
        1,
      );
      await until(() => load.resolved.size > 300 && delayed.resolved.size > 30, 'load');
      await broker[how]();
      await until(async () => !(await application.transport.health()).ready, 'health to see it');
      await broker.start();
      const before = load.resolved.size;
      await until(() => load.resolved.size > before + 300, 'publishing to go on', 30_000);
      await Promise.all([load.stop(), delayed.stop()]);
      await until(async () => (await application.transport.health()).ready, 'health', 30_000);
      expect(load.rejected).toEqual([]);
      const expected = [...load.resolved, ...[...delayed.resolved].map((body) => `delayed ${body}`)];
      const letters = new Set<string>();
      const missing = async (): Promise<string[]> => {
        for (const { message } of await listed(
          application.transport.deadLetters,
          probe.subscription,
          100_000,
        ))
          letters.add(Buffer.from(message.body).toString());
        return expected.filter((body) => !handled.has(body) && !letters.has(body));
      };
      await until(
        async () => (await missing()).length === 0,
        'all that was resolved to be handled or dead-lettered',
        60_000,
      );
      expect(letters.size).toBeGreaterThan(10);
    },
  );

  it('has a memory alarm takes nothing more until it is over, which is seen', async () => {
    const { open } = stage();
    const application = await open();
    const probe = await application.subscribe('a', undefined, { maxUnsettled: 100 });
    await application.publish('a', 'before');
    await until(() => probe.texts.includes('before'), 'the message before');
    await broker.control('set_vm_memory_high_watermark', '0.0000001');
    let settled = 0;
    const publishes: Promise<unknown>[] = [];
    await until(async () => {
      publishes.push(application.publish('a', `${publishes.length}`).then(() => settled++));
      return application.events.some(({ type }) => type === 'blocked');
    }, 'the alarm to be told');
    const { ready, parts } = await application.transport.health();
    expect(ready).toBe(false);
    expect(parts.filter((part) => !part.ready)).toMatchObject([
      {
        name: expect.stringContaining('publishing'),
        reason: expect.stringContaining('blocked by the broker'),
      },
    ]);
    // Nothing is sent while it lasts: what gives up now never arrives.
    await expect(
      application.publish('a', 'given up', { signal: AbortSignal.timeout(300) }),
    ).rejects.toMatchObject({ name: 'TimeoutError' });
    const waiting = settled < publishes.length;
    await broker.control('set_vm_memory_high_watermark', '0.6');
    await Promise.all(publishes);
    await until(() => probe.seen.length >= publishes.length + 1, 'all of them');
    expect(waiting).toBe(true);
    expect(probe.texts).not.toContain('given up');
    expect((await application.transport.health()).ready).toBe(true);
  });

  it('has a memory alarm keeps nobody waiting with a redrive until it is over, and loses none', async () => {
    const { open } = stage();
    const { transport, subscribe, publish } = await open();
    const { deadLetters: letters } = transport;
    let mended = false;
    const probe = await subscribe('a', () => (mended ? acknowledge : deadLetter));
    await publish('a', 'set aside');
    const { subscription } = probe;
    await until(async () => (await listed(letters, subscription, 1)).length === 1, 'its dead letter');
    mended = true;
    await broker.control('set_vm_memory_high_watermark', '0.0000001');
    await expect(letters.redrive(subscription)).rejects.toMatchObject({ code: 'CONNECTION' });
    expect(await listed(letters, subscription, 1)).toHaveLength(1);
    await broker.control('set_vm_memory_high_watermark', '0.6');
    expect(await letters.redrive(subscription)).toBe(1);
    await until(() => probe.seen.length >= 2, 'it');
    expect(await listed(letters, subscription, 1)).toEqual([]);
  });
});

describe('A dead letter whose queue', () => {
  it('is full stays where it was, is reported, and goes there once there is room', async () => {
    const { open, mark } = stage();
    const application = await open();
    const probe = await application.subscribe('a', ({ message }) =>
      Buffer.from(message.body).toString() === 'bad' ? deadLetter : acknowledge,
    );
    await broker.control(
      'set_policy',
      'full',
      `^${mark}\\..*--dead$`,
      '{"max-length":1,"overflow":"reject-publish"}',
      '--apply-to',
      'queues',
    );
    // A quorum queue refuses some time after it is full: when the channel has been told.
    const failures = () => application.events.filter(({ type }) => type === 'settlement-failed');
    let published = 0;
    while (failures().length === 0 && published++ < 30) {
      await application.publish('a', 'bad');
      const settled = async (): Promise<boolean> =>
        failures().length > 0 ||
        (await listed(application.transport.deadLetters, probe.subscription, 99)).length === published;
      await until(settled, 'it to be set aside or refused');
    }
    expect(failures()[0]).toMatchObject({
      settlement: 'dead-letter',
      subscription: "topic 'a' of group 'group'",
      error: { code: 'PUBLISH_REJECTED' },
    });
    await application.publish('a', 'good');
    await until(() => probe.texts.includes('good'), 'others to go on');
    await broker.control('clear_policy', 'full');
    await until(
      async () =>
        (await listed(application.transport.deadLetters, probe.subscription, 99)).length === published,
      'all of them',
      30_000,
    );
    const bad = probe.texts.filter((text) => text === 'bad').length;
    expect(bad).toBeLessThan(published + 20);
  });

  it('was deleted is there again', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    const probe = await application.subscribe('a', () => deadLetter);
    const { channel } = await foreign();
    await application.publish('a');
    await until(
      async () => (await listed(application.transport.deadLetters, probe.subscription, 9)).length === 1,
      'one',
    );
    await channel.deleteQueue(`${mark}.group.a--dead`);
    await application.publish('a');
    await until(
      async () => (await listed(application.transport.deadLetters, probe.subscription, 9)).length === 1,
      'two',
    );
  });
});

describe('A user who may not', () => {
  /** Rights to configure, write and read, as regular expressions. */
  const as = async (configure: string, write: string, read: string): Promise<string> => {
    const url = new URL(broker.url);
    url.username = `u${stage().mark}`;
    url.password = 's3cret';
    await broker.control('add_user', url.username, url.password).catch(() => {});
    await broker.control('set_permissions', url.username, configure, write, read);
    return url.href;
  };

  it('do more than the manual says can do all the rest', async () => {
    const { open, mark } = stage();
    const own = `^${mark}$|^${mark}\\.service.*`;
    const everything = async (topology: 'create' | 'validate', url: string): Promise<void> => {
      const application = await open({ url }, { topology });
      const probe = await application.subscribe(
        `a.${topology}`,
        ({ attempt }) => (attempt < 2 ? retry(150) : deadLetter),
        { group: 'service' },
      );
      const live = await application.subscribe('a.#', undefined, { group: 'service', broadcast: true });
      await application.publish(`a.${topology}`, '', { delay: 150 });
      const { deadLetters } = application.transport;
      const letters = async (): Promise<number> => (await listed(deadLetters, probe.subscription, 9)).length;
      await until(async () => (await letters()) === 1, 'the dead letter');
      expect(await deadLetters.redrive(probe.subscription)).toBe(1);
      await until(() => probe.seen.length === 4 && live.seen.length === 1, 'it again');
      expect(application.events.filter(({ type }) => type === 'settlement-failed')).toEqual([]);
    };
    const creating = await open();
    for (const topology of ['create', 'validate'] as const)
      await creating
        .subscribe(`a.${topology}`, undefined, { group: 'service' })
        .then((probe) => probe.stop());
    await everything('create', await as(own, `${own}|^amq\\.default$`, own));
    await everything('validate', await as('^.*--live-.*$', `${own}|^amq\\.default$`, own));
  });

  it('publish is told so, each time, and stays connected', async () => {
    const { open, mark } = stage();
    await (await open()).publish('a');
    const application = await open({ url: await as('', '', '.*') }, { topology: 'none' });
    for (let i = 0; i < 3; i++)
      await expect(application.publish('a')).rejects.toMatchObject({
        code: 'PUBLISH_REJECTED',
        message: `the user may not publish to exchange '${mark}': grant the right to write to it`,
      });
    expect(application.events.filter(({ type }) => type === 'disconnected')).toEqual([]);
  });

  it('publish to one topic is told which, and the others go on', async () => {
    const { open, mark } = stage();
    const url = await as('.*', '.*', '.*');
    await broker.control('set_topic_permissions', new URL(url).username, mark, '^(?!secret$)', '.*');
    const application = await open({ url });
    const outcomes = await Promise.allSettled(
      ['a', 'secret', 'a'].map((topic) => application.publish(topic)),
    );
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled']);
    expect((outcomes[1] as PromiseRejectedResult).reason).toMatchObject({
      code: 'PUBLISH_REJECTED',
      message: expect.stringContaining(`may not publish to topic 'secret' of exchange '${mark}'`),
    });
  });

  it('declare is told what, and that the error names no user', async () => {
    const { open } = stage();
    const url = await as('', '.*', '.*');
    const application = await open({ url });
    const error = await application.publish('a').then(
      () => undefined,
      (caught: Error) => caught,
    );
    expect(error).toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringContaining('may not create exchange'),
    });
    expect(`${error!.stack}${String(error!.cause)}`).not.toContain(new URL(url).username);
    await expect(application.subscribe('a')).rejects.toMatchObject({ code: 'TOPOLOGY' });
  });

  it('consume is told which queue, and other subscriptions go on', async () => {
    const { open, mark } = stage();
    const creating = await open();
    await creating.subscribe('allowed').then((probe) => probe.stop());
    await creating.subscribe('forbidden').then((probe) => probe.stop());
    const application = await open({ url: await as('', '.*', `.*allowed.*`) }, { topology: 'validate' });
    const probe = await application.subscribe('allowed');
    await expect(application.subscribe('forbidden')).rejects.toMatchObject({
      code: 'TOPOLOGY',
      message: expect.stringContaining(`may not consume from queue '${mark}.group.forbidden'`),
    });
    await application.publish('allowed');
    await until(() => probe.seen.length === 1, 'the message');
  });

  it('consume any more, sees it in health, and goes on when it is allowed again', async () => {
    const { open } = stage();
    const url = await as('.*', '.*', '.*');
    const application = await open({ url, client: { recovery } });
    const probe = await application.subscribe('a');
    await as('.*', '.*', 'nothing');
    await broker.control('close_all_user_connections', new URL(url).username, 'test');
    await until(
      async () =>
        (await application.transport.health()).parts.some(({ reason }) =>
          reason?.includes('the user may not'),
        ),
      'health to see it',
    );
    const tried = application.events.filter(
      (e) => e.type === 'warning' && /trying again/.test(e.message),
    ).length;
    expect(tried).toBeLessThan(20);
    await as('.*', '.*', '.*');
    await application.publish('a', 'again');
    await until(() => probe.texts.includes('again'), 'the message', 30_000);
    await until(async () => (await application.transport.health()).ready, 'health');
  });
});
