import { AsyncLocalStorage } from 'node:async_hooks';
import { inspect } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { Injectable, Module, type DynamicModule } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { NEVER, Observable } from 'rxjs';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import * as v from 'valibot';
import {
  ConfigurationError,
  defineEvent,
  HandlerTimeoutError,
  InvalidMessageError,
  memory,
  MessageContext,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OverloadError,
  PublishTimeoutError,
  RegistrationError,
  type Broker,
} from '@nest-messaging/core';
import { deferred } from '../../src/engine/deferred.js';
import { TEST_SEAMS } from '../../src/nest/index.js';
import { AT_ONCE, compile, eventually, recorder, start, stop } from '../support/application.js';

/** A memory broker whose transport differs in what `change` answers. */
function altered(
  change: (transport: ReturnType<Broker['open']>) => Partial<ReturnType<Broker['open']>>,
): Broker {
  const inner = memory();
  return {
    name: 'memory',
    open: (environment) => {
      const transport = inner.open(environment);
      return { ...transport, ...change(transport) };
    },
  };
}

/** A schema whose validation never ends. */
const stuck: StandardSchemaV1<unknown, unknown> = {
  '~standard': { version: 1, vendor: 'test', validate: () => new Promise<never>(() => undefined) },
};

describe('what waits behind a retry in place', () => {
  it('is not started once shutdown has begun', async () => {
    const { calls, record } = recorder();
    const begun = deferred();
    const release = deferred();
    const Step = defineEvent<{ key: string }>('step', { ordered: true, key: ({ key }) => key });
    @Injectable()
    class Handler {
      @OnEvent(Step, { concurrency: 1 })
      async on({ key }: { key: string }): Promise<void> {
        record(key);
        begun.resolve();
        await release.promise;
      }
    }
    const { app, bus, events } = await start({ providers: [Handler] });
    await bus.publishAll(
      Step,
      ['a', 'b', 'c', 'd'].map((key) => ({ key })),
    );
    await begun.promise;
    const stopped = stop(app);
    await eventually(
      () => app.get(MessagingHealth).check(),
      ({ connections }) => connections[0]!.parts.some(({ reason }) => reason === 'shutting down'),
    );
    release.resolve();
    await stopped;
    expect(calls).toEqual([['a']]);
    expect(events.filter(({ type }) => type === 'handled')).toHaveLength(1);
  });

  it('is not held up in a broadcast', async () => {
    @Injectable()
    class Handler {
      @OnEvent('a', { broadcast: true, concurrency: 1, retry: { backoff: { initial: '1h', max: '1h' } } })
      on(payload: string): void {
        if (payload === 'bad') throw new Error('again in an hour');
      }
    }
    const { bus, until } = await start({ providers: [Handler] });
    await bus.publish('a', 'bad');
    await bus.publish('a', 'good');
    await until('retried');
    await until('handled');
  });

  it('is counted where it ends as a dead letter', async () => {
    const Step = defineEvent<number>('step', { ordered: true, key: () => 'k' });
    @Injectable()
    class Handler {
      @OnEvent(Step, { retry: { attempts: 3, ...AT_ONCE } })
      on(): void {
        throw new Error('no');
      }
    }
    const { bus, deadLetters } = await start({ providers: [Handler] });
    await bus.publish(Step, 1);
    const { letters } = await eventually(
      () => deadLetters.list({ topic: Step }),
      (page) => page.letters.length > 0,
    );
    expect(letters).toMatchObject([{ attempts: 3 }]);
  });
});

describe('a value that does not fit its schema', () => {
  it('is quoted by no error, log line or dead letter, though the validator quotes it', async () => {
    const canary = '4111-1111-canary';
    const Contract = defineEvent('c', { schema: v.object({ at: v.pipe(v.string(), v.isoTimestamp()) }) });
    const lines: unknown[] = [];
    const write = (...line: unknown[]): void => void lines.push(...line);
    @Injectable()
    class Handler {
      @OnEvent(Contract)
      on(): void {}
    }
    const { bus, deadLetters, until } = await start({ providers: [Handler] });
    const logger = { log: write, warn: write, error: write };
    const { Logger } = await import('@nestjs/common');
    Logger.overrideLogger(logger);
    const error: unknown = await bus.publish(Contract, { at: canary }).catch((thrown: unknown) => thrown);
    expect(inspect(error, { depth: 10 })).not.toContain('canary');
    expect((error as Error).message).toBe("the payload does not fit the schema of 'c' at 'at'");
    await bus.publish('c', { at: canary });
    await until('dead-lettered');
    const { letters } = await eventually(
      () => deadLetters.list({ topic: Contract }),
      (page) => page.letters.length > 0,
    );
    expect(JSON.stringify(letters.map(({ failure }) => failure))).not.toContain('canary');
    expect(inspect(lines, { depth: 10 })).toContain('is dead-lettered');
    expect(inspect(lines, { depth: 10 })).not.toContain('canary');
  });
});

describe('publishing', () => {
  const stalled = () =>
    altered(() => ({
      publish: (_, signal) =>
        new Promise((_resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
        }),
    }));

  it('refuses at once what exceeds the room, and as much again that waits', async () => {
    const { bus, app } = await start({}, { broker: stalled(), publish: { maxPending: 2, timeout: 1_000 } });
    const results = await Promise.allSettled(Array.from({ length: 10 }, () => bus.publish('a', 1)));
    const errors = results.map((result) =>
      result.status === 'rejected' ? (result.reason as Error) : undefined,
    );
    expect(errors.filter((error) => error instanceof PublishTimeoutError)).toHaveLength(2);
    expect(errors.filter((error) => error instanceof OverloadError)).toHaveLength(8);
    await stop(app);
  });

  it('is bounded in time by its validation too', async () => {
    const { bus } = await start({}, { publish: { timeout: 20 } });
    await expect(bus.publish(defineEvent('c', { schema: stuck }), 1)).rejects.toBeInstanceOf(OverloadError);
  });

  it('of a contract just before shutdown is finished like any other', async () => {
    const Contract = defineEvent('c', {
      schema: v.pipeAsync(
        v.number(),
        v.checkAsync(async () => true),
      ),
    });
    const { app, bus } = await start({});
    const published = bus.publish(Contract, 1);
    await stop(app);
    await published;
  });

  it('takes the options of any broker, so that brokers can be swapped', async () => {
    const { bus } = await start({});
    await bus.publish('a', 1, { kafka: { partition: 1 } } as never);
  });

  it.each([
    [
      'an expiry before its delay',
      (bus: { publish: Function }) => bus.publish('a', 1, { delay: '1h', expiresIn: '1s' }),
    ],
    [
      'an expiry beyond all dates',
      (bus: { publish: Function }) => bus.publish('a', 1, { expiresIn: '999999999999d' }),
    ],
    [
      'a key that pollutes prototypes',
      (bus: { publish: Function }) => bus.publish('a', JSON.parse('{"__proto__":{"a":1}}')),
    ],
    [
      'a constructor that pollutes prototypes',
      (bus: { publish: Function }) => bus.publish('a', { constructor: { prototype: 1 } }),
    ],
  ])('refuses %s', async (_, publish) => {
    const { bus } = await start({});
    await expect(publish(bus)).rejects.toBeInstanceOf(InvalidMessageError);
  });

  it('is not changed by whoever looks on', async () => {
    const warnings: string[] = [];
    const { emitWarning } = process;
    process.emitWarning = (warning: string | Error) => void warnings.push(String(warning));
    @Module({})
    class Looking {}
    const seams = {
      provide: TEST_SEAMS,
      useValue: {
        observe: () => {
          throw new Error('broken observer');
        },
      },
    };
    const looking: DynamicModule = { module: Looking, global: true, providers: [seams], exports: [seams] };
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(): void {
        record();
      }
    }
    const app = await Test.createTestingModule({
      imports: [looking, MessagingModule.forRoot()],
      providers: [Handler],
    })
      .setLogger({ log: () => undefined, warn: () => undefined, error: () => undefined })
      .compile();
    await app.init();
    const { EventBus } = await import('@nest-messaging/core');
    await app.get(EventBus).publish('a', 1);
    await eventually(
      async () => calls.length,
      (count) => count > 0,
    );
    await app.close();
    process.emitWarning = emitWarning;
    expect(calls).toHaveLength(1);
    expect(warnings.join()).toContain('broken observer');
  });
});

describe('a handler', () => {
  it('whose validation never ends has failed in time, and its slot is free again', async () => {
    @Injectable()
    class Handler {
      @OnEvent(defineEvent('a', { schema: stuck }), { timeout: 10, concurrency: 1, retry: { attempts: 1 } })
      on(): void {}
    }
    const { bus, events, until } = await start({ providers: [Handler] });
    await bus.publish('a', 1);
    await bus.publish('a', 2);
    await until('dead-lettered', () => events.filter(({ type }) => type === 'dead-lettered').length === 2);
    expect((await until('dead-lettered')).error).toBeInstanceOf(HandlerTimeoutError);
  });

  it('that throws what cannot be read is tried as often as configured', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('a', { retry: { attempts: 2, ...AT_ONCE } })
      on(): void {
        record();
        throw Object.defineProperty(new Error(), 'message', {
          get: () => {
            throw new Error('unreadable');
          },
        });
      }
    }
    const { bus, until } = await start({ providers: [Handler] });
    await bus.publish('a', 1);
    await until('dead-lettered');
    expect(calls).toHaveLength(2);
  });

  it('does not run in the context of whoever published', async () => {
    const tenant = new AsyncLocalStorage<string>();
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(payload: unknown): void {
        record(payload, tenant.getStore());
      }
    }
    const { bus, events, until } = await start({ providers: [Handler] });
    await Promise.all(['x', 'y'].map((name) => tenant.run(name, () => bus.publish('a', name))));
    await until('handled', () => events.filter(({ type }) => type === 'handled').length === 2);
    expect(calls.toSorted()).toEqual([
      ['x', undefined],
      ['y', undefined],
    ]);
  });

  it('that returned an Observable is unsubscribed when its time is up', async () => {
    const unsubscribed = deferred();
    @Injectable()
    class Handler {
      @OnEvent('a', { timeout: 5, retry: { attempts: 1 } })
      on(): Observable<never> {
        return new Observable((subscriber) => {
          const inner = NEVER.subscribe(subscriber);
          return () => {
            inner.unsubscribe();
            unsubscribed.resolve();
          };
        });
      }
    }
    const { bus } = await start({ providers: [Handler] });
    await bus.publish('a', 1);
    await unsubscribed.promise;
  });

  it('may be tried without end', async () => {
    @Injectable()
    class Handler {
      @OnEvent('a', { broadcast: true, retry: { attempts: Number.MAX_SAFE_INTEGER } })
      on(): void {}
    }
    await start({ providers: [Handler] });
  });

  it('takes from the module what it leaves undefined', async () => {
    let most = 0;
    let now = 0;
    @Injectable()
    class Handler {
      @OnEvent('a', { concurrency: undefined })
      async on(): Promise<void> {
        most = Math.max(most, ++now);
        await new Promise((resolve) => setImmediate(resolve));
        now -= 1;
      }
    }
    const { bus, events, until } = await start({ providers: [Handler] }, { defaults: { concurrency: 1 } });
    await bus.publishAll('a', [1, 2, 3]);
    await until('handled', () => events.filter(({ type }) => type === 'handled').length === 3);
    expect(most).toBe(1);
  });

  it.each([
    [
      'a static method',
      () => OnEvent('a')(class {}, 'on', { value: () => undefined }),
      "OnEvent of 'a' stands on 'on', which is static",
    ],
    ['a getter', () => OnEvent('a')({}, 'on', { get: () => () => undefined }), 'which is no method'],
  ])('cannot be %s', (_, decorate, message) => {
    expect(decorate).toThrow(RegistrationError);
    expect(decorate).toThrow(message);
  });

  it('whose class is provided in two Nest modules is refused, and the error says so', async () => {
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(): void {}
    }
    @Module({ providers: [Handler] })
    class One {}
    @Module({ providers: [Handler] })
    class Two {}
    const app = await compile({ imports: [One, Two] });
    await expect(app.init()).rejects.toThrow(/Handler\.on is provided in two Nest modules/);
  });

  it('that is bound to a contract may have further parameters, and with `any` any order', async () => {
    const Contract = defineEvent<{ id: string }>('a');
    @Injectable()
    class Handler {
      @OnEvent(Contract)
      further(_order: { id: string }, _context: MessageContext, _tenant: string): void {}
      @OnEvent<any>(Contract, { group: 'other' })
      reordered(_context: MessageContext, _order: { id: string }): void {}
    }
    await start({ providers: [Handler] });
  });
});

describe('the module', () => {
  it('is imported once', async () => {
    const twice = Test.createTestingModule({
      imports: [MessagingModule.forRoot(), MessagingModule.forRoot({ service: 'b' })],
    }).compile();
    await expect(twice).rejects.toBeInstanceOf(ConfigurationError);
  });

  it('leaves no connection open when another cannot start', async () => {
    const log: string[] = [];
    const failing = altered(() => ({ connect: () => Promise.reject(new Error('no broker')) }));
    const slow = altered((transport) => ({
      connect: async () => {
        await new Promise((resolve) => setTimeout(resolve, 10));
        await transport.connect();
        log.push('connected');
      },
      close: async () => {
        log.push('closed');
        await transport.close();
      },
    }));
    const app = await compile({}, { broker: slow, connections: { other: { broker: failing } } });
    await expect(app.init()).rejects.toThrow('no broker');
    expect(log).toEqual(['connected', 'closed']);
  });
});
