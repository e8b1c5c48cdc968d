import { describe, expect, it } from '@jest/globals';
import {
  Injectable,
  Module,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
} from '@nestjs/common';
import {
  ClosedError,
  EventBus,
  memory,
  MessagingHealth,
  MessagingModule,
  OnEvent,
} from '@nest-messaging/core';
import { deferred } from '../../src/engine/deferred.js';
import { compile, start, stop } from '../support/application.js';

describe('starting', () => {
  it('lets every module publish in onModuleInit, and its own handlers get it once all are ready', async () => {
    const order: string[] = [];
    @Injectable()
    class Early implements OnModuleInit {
      constructor(private readonly bus: EventBus) {}
      async onModuleInit(): Promise<void> {
        await this.bus.publish('a', 1);
        order.push('published');
      }
      onApplicationBootstrap(): void {
        order.push('bootstrapped');
      }
      @OnEvent('a')
      on(): void {
        order.push('handled');
      }
    }
    const { until } = await start({ providers: [Early] });
    await until('handled');
    expect(order).toEqual(['published', 'bootstrapped', 'handled']);
  });

  it.each([{ isGlobal: true }, { isGlobal: false }])('works with %o', async (extras) => {
    @Injectable()
    class Handler implements OnModuleInit {
      constructor(private readonly bus: EventBus) {}
      onModuleInit(): Promise<void> {
        return this.bus.publish('a', 1);
      }
      @OnEvent('a')
      on(): void {}
    }
    const { until } = await start({ imports: [], providers: [Handler] }, {
      service: 'shop',
      ...extras,
    } as never);
    await until('handled');
  });

  it('lets a constructor publish: the message waits until handlers are subscribed', async () => {
    let published!: Promise<void>;
    @Injectable()
    class Handler {
      constructor(bus: EventBus) {
        published = bus.publish('a', 1);
      }
      @OnEvent('a')
      on(): void {}
    }
    const { until } = await start({ providers: [Handler] });
    await published;
    await until('handled');
  });

  it('tells a publisher in an application that is never started why nothing is sent', async () => {
    const app = await compile({}, { publish: { timeout: 10 } });
    await expect(app.get(EventBus).publish('a', 1)).rejects.toMatchObject({
      code: 'CLOSED',
      message:
        'the application was not started within 10 ms: nothing was sent; await app.init() or app.listen() first',
    });
    await app.close();
  });
});

describe('shutting down', () => {
  it('waits for running handlers before any other module is destroyed, whatever the import order', async () => {
    const order: string[] = [];
    const begun = deferred();
    const release = deferred();
    const hooks = (name: string) => {
      @Injectable()
      class Hooks implements OnModuleDestroy {
        onModuleDestroy(): void {
          order.push(`${name} destroyed`);
        }
      }
      return Hooks;
    };
    @Module({ providers: [hooks('before')] })
    class Before {}
    @Module({ providers: [hooks('after')] })
    class After {}
    @Module({ providers: [hooks('global')] })
    class Global {}
    @Injectable()
    class Handler {
      @OnEvent('a')
      async on(): Promise<void> {
        begun.resolve();
        await release.promise;
        order.push('handled');
      }
    }
    const { app, bus } = await start({
      imports: [{ module: Global, global: true }, Before, After],
      providers: [Handler, hooks('root')],
    });
    await bus.publish('a', 1);
    await begun.promise;
    const closed = stop(app);
    release.resolve();
    await closed;
    expect(order[0]).toBe('handled');
    expect(order.slice(1).toSorted()).toEqual([
      'after destroyed',
      'before destroyed',
      'global destroyed',
      'root destroyed',
    ]);
  });

  it('takes no new messages meanwhile: they stay with the broker', async () => {
    const broker = memory();
    const begun = deferred();
    const release = deferred();
    const seen: unknown[] = [];
    @Injectable()
    class Handler {
      @OnEvent('a', { concurrency: 1 })
      async on(payload: unknown): Promise<void> {
        seen.push(payload);
        begun.resolve();
        await release.promise;
      }
    }
    const first = await start({ providers: [Handler] }, { service: 'shop', broker });
    await first.bus.publish('a', 1);
    await first.bus.publish('a', 2);
    await begun.promise;
    const closed = stop(first.app);
    release.resolve();
    await closed;
    expect(seen).toEqual([1]);
    const second = await start({ providers: [Handler] }, { service: 'shop', broker });
    await second.until('handled');
    expect(seen).toEqual([1, 2]);
  });

  it('lets handlers, and hooks of other modules, publish until the end', async () => {
    const outcome: string[] = [];
    @Injectable()
    class Late implements OnModuleDestroy, OnApplicationShutdown {
      constructor(private readonly bus: EventBus) {}
      async onModuleDestroy(): Promise<void> {
        await this.bus.publish('a', 1);
        outcome.push('destroying');
      }
      async onApplicationShutdown(): Promise<void> {
        await this.bus.publish('a', 1);
        outcome.push('shutting down');
      }
    }
    const { app } = await start({ providers: [Late] });
    await stop(app);
    expect(outcome).toEqual(['destroying', 'shutting down']);
  });

  it('rejects what is published afterwards', async () => {
    const { app, bus } = await start({});
    await stop(app);
    await expect(bus.publish('a', 1)).rejects.toThrow(ClosedError);
  });

  it('gives up waiting at the drain time, aborts the context signal, and the message stays with the broker', async () => {
    const broker = memory();
    const aborted = deferred<unknown>();
    const begun = deferred();
    let hang = true;
    @Injectable()
    class Handler {
      @OnEvent('a')
      async on(_: unknown, { signal }: { signal: AbortSignal }): Promise<void> {
        if (!hang) return;
        signal.addEventListener('abort', () => aborted.resolve(signal.reason));
        begun.resolve();
        await new Promise(() => undefined);
      }
    }
    const first = await start({ providers: [Handler] }, { service: 'shop', broker, drainTimeout: 20 });
    await first.bus.publish('a', 1);
    await begun.promise;
    const exitCode = process.exitCode;
    await stop(first.app);
    expect(process.exitCode).toBe(1);
    process.exitCode = exitCode;
    expect(await aborted.promise).toBeInstanceOf(ClosedError);
    hang = false;
    const second = await start({ providers: [Handler] }, { service: 'shop', broker });
    await second.until('handled');
  });

  it('works on a module that was compiled and never started', async () => {
    const app = await compile({});
    await app.close();
    expect(MessagingModule).toBeDefined();
  });
});

describe('health', () => {
  it('is ready between start and shutdown, and names each connection', async () => {
    const begun = deferred();
    const release = deferred();
    @Injectable()
    class Handler {
      @OnEvent('a')
      async on(): Promise<void> {
        begun.resolve();
        await release.promise;
      }
    }
    const module = await compile({ providers: [Handler] }, { service: 'shop', connections: { audit: {} } });
    const health = module.get(MessagingHealth);
    expect(await health.check()).toMatchObject({
      ready: false,
      live: true,
      connections: [
        { connection: 'default', broker: 'memory', ready: false },
        { connection: 'audit', ready: false },
      ],
    });
    await module.init();
    expect(await health.check()).toMatchObject({ ready: true });
    await module.get(EventBus).publish('a', 1);
    await begun.promise;
    const closed = module.close();
    while ((await health.check()).ready) await new Promise((resolve) => setImmediate(resolve));
    expect((await health.check()).connections[0]!.parts[0]).toEqual({
      name: 'application',
      ready: false,
      reason: 'shutting down',
      since: expect.any(Number),
    });
    expect((await health.check()).live).toBe(true);
    release.resolve();
    await closed;
  });
});
