import { AsyncLocalStorage } from 'node:async_hooks';
import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { ConfigurationError, memory, MessageContext, OnEvent, type Telemetry } from '@nest-messaging/core';
import type { Instruments } from '@nest-messaging/core/engine';
import { AT_ONCE, compile, eventually, recorder, start } from '../support/application.js';

/** Follows nothing. */
const idle: Instruments = {
  publish: (message, send) => void send(message).catch(() => undefined),
  process: (_, handle) => void handle().catch(() => undefined),
  settle: () => () => undefined,
};

describe('what follows a connection', () => {
  it('is told of each publish, handler and settlement, within what surrounds them', async () => {
    const { calls, record } = recorder();
    const storage = new AsyncLocalStorage<string>();
    const telemetry: Telemetry = () => ({
      publish(message, send) {
        record('publish', message.destination.name, storage.getStore());
        send({ ...message, headers: { ...message.headers, mark: 'ours' } }).then(
          () => record('published', message.id),
          () => undefined,
        );
      },
      process({ batch, attempts: [first] }, handle) {
        record('process', batch, first!.source, first!.group, first!.attempt);
        storage.run('handler', () => void handle());
      },
      settle({ message, source, group }, { type }) {
        record('settle', message.id, source, group, type);
        return (error) => record('settled', error);
      },
    });
    @Injectable()
    class Handler {
      @OnEvent('order.*', { group: 'billing' })
      on(_: unknown, { headers }: MessageContext): void {
        record('handler', storage.getStore(), headers);
      }
    }
    const { bus } = await start({ providers: [Handler] }, { service: 'shop', telemetry });
    await storage.run('caller', () =>
      bus.publish('order.placed', {}, { messageId: 'm1', headers: { tenant: 'blue' } }),
    );
    await eventually(
      async () => calls,
      () => calls.length === 6,
    );
    expect(calls).toEqual([
      ['publish', 'order.placed', 'caller'],
      ['published', 'm1'],
      ['process', false, 'order.*', 'billing', 1],
      ['handler', 'handler', { tenant: 'blue', mark: 'ours' }],
      ['settle', 'm1', 'order.*', 'billing', 'acknowledge'],
      ['settled', undefined],
    ]);
  });

  it('is told of a batch once, and of the settlement of each of its messages', async () => {
    const runs: number[] = [];
    const settled: string[] = [];
    const telemetry: Telemetry = () => ({
      ...idle,
      process({ attempts }, handle) {
        runs.push(attempts.length);
        void handle();
      },
      settle: ({ message }) => {
        settled.push(message.id);
        return () => undefined;
      },
    });
    @Injectable()
    class Rows {
      @OnEvent('row', { batch: { size: 2 } })
      insert(): void {}
    }
    const { bus } = await start({ providers: [Rows] }, { service: 'shop', telemetry });
    await bus.publish('row', 1, { messageId: 'a' });
    await bus.publish('row', 2, { messageId: 'b' });
    await eventually(
      async () => settled,
      () => settled.length === 2,
    );
    expect(runs).toEqual([2]);
    expect(settled.sort()).toEqual(['a', 'b']);
  });

  it('is made for each connection, which it is told of', async () => {
    const made: unknown[] = [];
    const telemetry: Telemetry = (connection) => {
      made.push(connection);
      return idle;
    };
    await start({}, { service: 'shop', telemetry, connections: { audit: { broker: memory() } } });
    expect(made).toEqual([
      { connection: 'default', transport: 'memory' },
      { connection: 'audit', transport: 'memory' },
    ]);
  });

  it('must be a function', async () => {
    const refusal = compile({}, { telemetry: {} as never });
    await expect(refusal).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refusal).rejects.toThrow(
      'MessagingModule options.telemetry is an object: expected a function such as openTelemetry() of @nest-messaging/opentelemetry answers',
    );
  });
});

describe('what follows a connection changes nothing', () => {
  let warned: ReturnType<typeof jest.spyOn>;
  beforeEach(() => {
    warned = jest.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  });
  afterEach(() => warned.mockRestore());

  const thrower = (): never => {
    throw new Error('a bad instrument');
  };

  it.each<[string, Instruments]>([
    ['throws', { publish: thrower, process: thrower, settle: thrower, observe: thrower }],
    [
      'throws after it has gone on',
      {
        publish(message, send) {
          void send(message);
          thrower();
        },
        process(_, handle) {
          void handle();
          thrower();
        },
        settle: () => thrower,
      },
    ],
    ['never goes on', { publish: () => undefined, process: () => undefined, settle: () => () => undefined }],
    [
      'goes on twice',
      {
        publish: (message, send) => void Promise.allSettled([send(message), send(message)]),
        process: (_, handle) => void Promise.allSettled([handle(), handle()]),
        settle: () => () => undefined,
      },
    ],
  ])('where it %s', async (_, instruments) => {
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('order.placed', { retry: { attempts: 2, ...AT_ONCE } })
      on(_: unknown, { attempt }: MessageContext): void {
        record('order.placed', attempt);
        if (attempt === 1) throw new Error('once more');
      }
      @OnEvent('row', { batch: { size: 1 } })
      insert(rows: unknown[]): void {
        record('row', rows);
      }
    }
    const { bus, events, until } = await start(
      { providers: [Handler] },
      { service: 'shop', telemetry: () => instruments },
    );
    await bus.publish('order.placed', {});
    await until('handled');
    await bus.publish('row', 1);
    await until('handled', ({ source }) => source === 'row');
    expect(calls).toEqual([
      ['order.placed', 1],
      ['order.placed', 2],
      ['row', [1]],
    ]);
    expect(events.filter(({ type }) => type === 'published')).toHaveLength(2);
    if (instruments.publish === thrower) expect(warned).toHaveBeenCalled();
  });

  it('where a publish is refused: its publisher gets the reason', async () => {
    const { bus } = await start({}, { service: 'shop', telemetry: () => idle });
    const refusal = bus.publish('order.placed', {}, { signal: AbortSignal.abort(new Error('given up')) });
    await expect(refusal).rejects.toThrow('given up');
  });
});
