import { describe, expect, it } from '@jest/globals';
import { startProxy, type Proxy } from '../proxy.js';
import { rabbitmqUrl } from '../../../../test/support/rabbitmq.js';
import { acknowledge, until, useStage } from '../stage.js';

const stage = useStage();

async function proxied(): Promise<Proxy> {
  const proxy = await startProxy(rabbitmqUrl());
  stage().after(() => proxy.close());
  return proxy;
}

describe('A consumer', () => {
  it('whose queue is deleted makes it anew and goes on', async () => {
    const { open, foreign, mark } = stage();
    const application = await open();
    const probe = await application.subscribe('a');
    const { channel } = await foreign();
    for (let i = 1; i <= 3; i++) {
      await channel.deleteQueue(`${mark}.group.a`);
      await until(
        () =>
          application.events.filter((e) => e.type === 'warning' && /was deleted/.test(e.message)).length ===
          i,
        'the consumer to see it',
      );
      await until(async () => (await application.transport.health()).ready, 'health');
      await application.publish('a', `${i}`);
      await until(() => probe.texts.includes(`${i}`), 'the message in the new queue');
    }
  });

  it('whose queue is deleted, and which may not make it, is not healthy until it is there again', async () => {
    const { open, foreign, mark } = stage();
    const application = await open({}, { topology: 'none' });
    const { channel } = await foreign();
    await channel.assertExchange(mark, 'topic');
    await channel.assertQueue(`${mark}.group.a`);
    await channel.assertQueue(`${mark}.group.a--suspect`);
    const probe = await application.subscribe('a');
    await channel.deleteQueue(`${mark}.group.a`);
    await until(async () => !(await application.transport.health()).ready, 'health to see it');
    const part = (await application.transport.health()).parts.find(({ ready }) => !ready);
    expect(part).toMatchObject({
      name: "topic 'a' of group 'group'",
      reason: expect.stringMatching(/deleted|not exist/),
    });
    await channel.assertQueue(`${mark}.group.a`);
    channel.sendToQueue(`${mark}.group.a`, Buffer.from('again'));
    await until(() => probe.texts.includes('again'), 'the message');
    expect((await application.transport.health()).ready).toBe(true);
  });

  it('waits for the declarations of others, which take longer than it may take itself', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const connectTimeout = 1_500;
    const application = await open({ url: proxy.url }, { connectTimeout });
    proxy.delay(60);
    const began = performance.now();
    const probes = await Promise.all(
      ['a', 'b', 'c', 'd', 'e', 'f'].map((topic) => application.subscribe(topic)),
    );
    expect(performance.now() - began).toBeGreaterThan(connectTimeout);
    await application.publish('f', '"there"');
    await until(() => probes.at(-1)!.texts.length === 1, 'the message');
  });

  it('gives up where the broker does not answer at all', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({ url: proxy.url }, { connectTimeout: 1_500 });
    await application.subscribe('a');
    stage().after(proxy.swallow());
    await expect(application.subscribe('b')).rejects.toThrow(
      /^subscribing to topic 'b' of group 'group' at .* took longer than 1500 ms/,
    );
  });

  it('settles nothing of a channel that is gone on the next one', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({ url: proxy.url });
    let letGo = (): void => undefined;
    const held = new Promise<void>((resolve) => (letGo = resolve));
    const probe = await application.subscribe(
      'a',
      async ({ message }) => {
        // The first three are held through the cut and settled after it, when their tags mean other messages.
        if (probe.seen.filter(({ message: { id } }) => id === message.id).length === 1) await held;
        return acknowledge;
      },
      { maxUnsettled: 3 },
    );
    for (let i = 0; i < 3; i++) await application.publish('a', `${i}`);
    await until(() => probe.seen.length === 3, 'three in hand');
    proxy.cut();
    await until(
      () => application.events.filter(({ type }) => type === 'connected').length === 4,
      'both connections',
    );
    await until(async () => (await application.transport.health()).ready, 'health');
    letGo();
    await until(() => probe.seen.length >= 6, 'all of them again');
    const failed = application.events.filter(({ type }) => type === 'settlement-failed');
    expect(failed).toHaveLength(3);
    for (const one of failed)
      expect(one).toMatchObject({
        settlement: 'acknowledge',
        group: 'group',
        destination: { kind: 'topic', name: 'a' },
        attempt: 1,
      });
    await application.publish('a', 'last');
    await until(() => probe.texts.includes('last'), 'the last');
    expect(application.events.filter((e) => e.type === 'warning' && /interrupted/.test(e.message))).toEqual(
      [],
    );
  });

  it('loses nothing through thirty cut connections, and no delivery limit removes what nobody handled', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({
      url: proxy.url,
      client: { recovery: { initialDelay: 10, maxDelay: 50 } },
    });
    let open30 = false;
    let hold = (): void => undefined;
    const held = new Promise<void>((resolve) => (hold = resolve));
    const probe = await application.subscribe(
      'a',
      async () => {
        if (!open30) await held;
        return acknowledge;
      },
      { maxUnsettled: 100 },
    );
    for (let i = 0; i < 5; i++) await application.publish('a', `${i}`);
    for (let cut = 1; cut <= 30; cut++) {
      await until(() => probe.seen.length >= 5 * cut || probe.seen.length === 100, `them before cut ${cut}`);
      const before = application.events.filter(({ type }) => type === 'connected').length;
      proxy.cut();
      await until(
        () => application.events.filter(({ type }) => type === 'connected').length >= before + 2,
        `both connections after cut ${cut}`,
      );
      if (probe.seen.length === 100) break;
    }
    open30 = true;
    hold();
    const last = await open();
    await application.publish('a', 'last');
    await until(() => probe.texts.includes('last'), 'the last');
    await until(async () => (await last.transport.health()).ready, 'health');
    // This process lived through all of it, so that no message was suspected of anything.
    expect(application.events.filter((e) => e.type === 'warning' && /handled alone/.test(e.message))).toEqual(
      [],
    );
    expect(new Set(probe.texts).size).toBe(6);
    expect(probe.seen.every(({ attempt, deaths }) => attempt === 1 && deaths === 0)).toBe(true);
  });
});

describe('A connection', () => {
  it('whose packets vanish is given up within three heartbeats, and made anew', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({ url: proxy.url, client: { heartbeat: 1 } });
    const probe = await application.subscribe('a');
    const stop = proxy.swallow();
    const reason = new Error('limit');
    const limited = application.publish('a', 'lost', { signal: AbortSignal.timeout(500) });
    await expect(limited).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(reason).toBeDefined();
    const start = Date.now();
    await until(
      () => application.events.filter(({ type }) => type === 'disconnected').length === 2,
      'both ends',
    );
    expect(Date.now() - start).toBeLessThan(4_000);
    expect((await application.transport.health()).parts.every(({ ready }) => !ready)).toBe(true);
    stop();
    proxy.cut();
    await application.publish('a', 'after');
    await until(() => probe.texts.includes('after'), 'the message after it', 30_000);
    await until(async () => (await application.transport.health()).ready, 'health');
  });

  it('whose packets vanish does not keep an application from closing', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({ url: proxy.url });
    await application.subscribe('a');
    proxy.swallow();
    const start = Date.now();
    await application.transport.close();
    expect(Date.now() - start).toBeLessThan(10_000);
  });

  it('with a wrong password is refused at once, with an error that names the address and no credential', async () => {
    const { prepare } = stage();
    const url = new URL(rabbitmqUrl());
    url.username = 'someone';
    url.password = 's3cret';
    const { transport } = prepare({ url: url.href });
    const start = Date.now();
    const error: Error & { code?: string; retryable?: boolean } = await transport.connect().then(
      () => expect('refused').toBe('connected') as never,
      (caught: Error) => caught,
    );
    expect(Date.now() - start).toBeLessThan(5_000);
    expect(error).toMatchObject({ code: 'CONNECTION', retryable: false });
    expect(error.message).toBe(`RabbitMQ at ${url.host} refused the login: check user and password`);
    expect(JSON.stringify([error.message, error.stack, String(error.cause)])).not.toMatch(/s3cret|someone/);
    expect((await transport.health()).parts[0]).toMatchObject({ ready: false, reason: error.message });
  });

  it('to a virtual host that is not there says so', async () => {
    const { prepare } = stage();
    const { transport } = prepare({ url: `${rabbitmqUrl().replace(/\/$/, '')}/nowhere` });
    await expect(transport.connect()).rejects.toThrow(
      "has no virtual host 'nowhere', or the user may not use it",
    );
  });

  it('to a host that is not there fails in bounded time', async () => {
    const { prepare } = stage();
    const { transport } = prepare({ url: 'amqp://user:s3cret@nowhere.invalid' }, { connectTimeout: 500 });
    await expect(transport.connect()).rejects.toThrow('RabbitMQ at nowhere.invalid:5672 cannot be found');
  });

  it('that is only published on is one', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({ url: proxy.url });
    await application.publish('a');
    await application.enqueue('q');
    expect(proxy.connections).toBe(1);
    expect((await application.transport.health()).ready).toBe(true);
    await application.subscribe('a');
    expect(proxy.connections).toBe(2);
  });
});

describe('A consumer that was told to have more in hand', () => {
  it('has so much after its connection was cut, too, and leaves no consumer behind when it stops', async () => {
    const { open, mark, foreign } = stage();
    const proxy = await proxied();
    const application = await open({
      url: proxy.url,
      client: { recovery: { initialDelay: 10, maxDelay: 50 } },
    });
    let inHand = 0;
    let door: { opened: Promise<void>; open: () => void };
    const close = (): void => {
      let letGo = (): void => undefined;
      door = { opened: new Promise((resolve) => (letGo = resolve)), open: () => letGo() };
    };
    close();
    const probe = await application.subscribe(
      'a',
      async () => {
        inHand++;
        await door.opened;
        inHand--;
        return acknowledge;
      },
      { maxUnsettled: 2 },
    );
    const { channel } = await foreign();
    const queue = async () => channel.checkQueue(`${mark}.group.a`);
    const publish = async (): Promise<void> => {
      for (let i = 0; i < 20; i++) await application.publish('a', `${i}`);
    };
    await publish();
    await until(() => inHand === 2, 'as many as at first');
    probe.resize(5);
    await until(() => inHand === 5, 'as many as from then on');
    proxy.cut();
    await until(async () => (await queue()).messageCount === 15, 'all but five of them to be out again');
    door!.open();
    await until(async () => inHand === 0 && (await queue()).messageCount === 0, 'all to be handled');
    close();
    await publish();
    await until(() => inHand === 5, 'as many on the next connection');
    door!.open();
    await until(async () => (await queue()).messageCount === 0, 'the rest');
    // A quorum queue counts one that was cancelled until nothing of it is unsettled.
    await until(async () => (await queue()).consumerCount === 1, 'the consumers before to be gone');
    await probe.stop();
    await until(async () => (await queue()).consumerCount === 0, 'no consumer');
  });
});

describe('A connection whose attempts the application has limited', () => {
  it('gives up in the end, and says in health that it does not come back by itself', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const { transport, subscribe } = await open({
      url: proxy.url,
      client: { recovery: { initialDelay: 10, maxDelay: 20, maxRetries: 2 } },
    });
    await subscribe('a');
    const parts = async () => (await transport.health()).parts;
    expect((await parts()).filter(({ gaveUp }) => gaveUp)).toEqual([]);
    const back = await proxy.away();
    await until(async () => (await parts()).filter(({ gaveUp }) => gaveUp).length === 2, 'both to give up');
    for (const { ready, reason } of (await parts()).filter(({ gaveUp }) => gaveUp)) {
      expect(ready).toBe(false);
      expect(reason).toMatch(/^gave up connecting: /);
    }
    await back();
  });
});

describe('Under load', () => {
  it('cut connections cost neither a resolved message nor a handler', async () => {
    const { open } = stage();
    const proxy = await proxied();
    const application = await open({
      url: proxy.url,
      client: { recovery: { initialDelay: 10, maxDelay: 100 } },
    });
    const probe = await application.subscribe(
      'a',
      ({ attempt, message }) =>
        attempt === 1 && message.id.endsWith('7')
          ? { type: 'retry', delay: 100, failure: { name: 'E', message: 'e', at: 0 } }
          : acknowledge,
      { maxUnsettled: 50 },
    );
    const resolved: string[] = [];
    let cuts = 0;
    let stopped = false;
    const cutting = (async () => {
      while (!stopped) {
        await until(() => resolved.length > (cuts + 1) * 80 || stopped, 'progress', 30_000);
        if (stopped) return;
        proxy.cut();
        cuts++;
      }
    })();
    await Promise.all(
      Array.from({ length: 10 }, async (_, worker) => {
        for (let i = 0; i < 100; i++) {
          await application.publish('a', `${worker}-${i}`);
          resolved.push(`${worker}-${i}`);
        }
      }),
    );
    stopped = true;
    await cutting;
    expect(resolved).toHaveLength(1_000);
    expect(cuts).toBeGreaterThan(5);
    const retried = (text: string): boolean =>
      probe.seen.some((seen) => seen.text === text && seen.attempt === 2);
    await until(() => new Set(probe.texts).size === 1_000, 'all that resolved', 30_000);
    const failing = new Set(
      probe.seen.filter(({ message }) => message.id.endsWith('7')).map(({ text }) => text),
    );
    await until(() => [...failing].every(retried), 'every retry', 30_000);
  });
});
