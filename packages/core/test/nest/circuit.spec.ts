import { describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import {
  ConfigurationError,
  DeadLetter,
  memory,
  MessagingHealth,
  OnEvent,
  OnQueue,
  Subscriptions,
} from '@nest-messaging/core';
import { circuitBreaker, ConsecutiveBreaker, handleAll, handleType } from 'cockatiel';
import { deferred } from '../../src/engine/deferred.js';
import { currentMessage } from '../../src/engine/index.js';
import { eventually, start } from '../support/application.js';

/** What handlers depend on: a service that can be down, and how often it was called. */
function dependency() {
  const its = { down: false, calls: 0 };
  return {
    its,
    async call(): Promise<void> {
      its.calls++;
      if (its.down) throw new Error('503');
    },
  };
}

/** A handler behind a circuit that opens at the third failure in a row. */
function charging(retries = 5) {
  const service = dependency();
  const breaker = circuitBreaker(handleAll, { halfOpenAfter: 20, breaker: new ConsecutiveBreaker(3) });
  const charged: unknown[] = [];
  const probes: AbortSignal[] = [];
  @Injectable()
  class Charges implements OnModuleInit {
    constructor(private readonly subscriptions: Subscriptions) {}
    onModuleInit(): void {
      this.subscriptions.pauseWhileOpen({ topic: 'order.placed' }, breaker, {
        probe(signal) {
          probes.push(signal);
          return service.call();
        },
        every: 10,
      });
    }
    @OnEvent('order.placed', {
      concurrency: 4,
      retry: { attempts: retries, backoff: { initial: 1, max: 1 } },
    })
    async charge(order: unknown): Promise<void> {
      await breaker.execute(() => service.call());
      charged.push(order);
    }
  }
  return { ...service, breaker, charged, probes, Charges };
}

const subscription = "topic 'order.placed' of group 'shop'";

describe('a subscription whose circuit opens', () => {
  it('waits while its dependency is down, sets nothing aside, and handles all when it is back', async () => {
    const { its, charged, probes, Charges } = charging(3);
    const { app, bus, deadLetters, events, until } = await start({ providers: [Charges] });
    its.down = true;
    for (let n = 0; n < 20; n++) await bus.publish('order.placed', n);
    await until('paused');
    const { ready, connections } = await app.get(MessagingHealth).check();
    expect(ready).toBe(true);
    expect(connections[0]!.parts.find(({ name }) => name === subscription)).toMatchObject({
      paused: true,
      reason: 'its circuit is open',
    });
    expect(app.get(Subscriptions).list()).toMatchObject([{ topic: 'order.placed', state: 'paused' }]);
    // A probe that fails leaves it open, however often.
    await eventually(
      async () => probes.length,
      (count) => count >= 3,
    );
    expect(charged).toEqual([]);
    its.down = false;
    await until('resumed');
    await eventually(
      async () => charged.length,
      (count) => count >= 20,
    );
    expect(charged.map(Number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, n) => n));
    expect(await deadLetters.list({ topic: 'order.placed' })).toEqual({ letters: [] });
    expect(events.map(({ type }) => type)).not.toContain('dead-lettered');
    expect(events.filter(({ type }) => type === 'circuit-opened')).toHaveLength(1);
  });

  it('is probed on behalf of no message', async () => {
    const { its, breaker, Charges } = charging();
    const { app, bus, until } = await start({ providers: [Charges] });
    const found: unknown[] = [];
    app.get(Subscriptions).pauseWhileOpen({ topic: 'order.placed' }, breaker, {
      probe: () => void found.push(currentMessage()),
      every: 10,
    });
    its.down = true;
    for (let n = 0; n < 3; n++) await bus.publish('order.placed', n);
    await until('paused');
    await eventually(
      async () => found.length,
      (count) => count > 0,
    );
    expect(found[0]).toBeUndefined();
  });

  it('uses up no attempt of a message that fails while it is open, were it the last', async () => {
    const { its, charged, Charges } = charging(3);
    const { bus, events, until } = await start({ providers: [Charges] });
    its.down = true;
    await bus.publish('order.placed', 1);
    // The third attempt of its only message opens the circuit.
    await until('paused');
    const released = events.filter(({ type }) => type === 'released');
    expect(released).toMatchObject([{ attempt: 3, error: expect.any(Error) }]);
    its.down = false;
    const { attempt } = await until('handled');
    expect(attempt).toBe(3);
    expect(charged).toEqual([1]);
  });

  it('sets aside all the same what its handler gives up itself', async () => {
    const { its, breaker } = charging();
    const opened = deferred();
    @Injectable()
    class Handler implements OnModuleInit {
      constructor(private readonly subscriptions: Subscriptions) {}
      onModuleInit(): void {
        this.subscriptions.pauseWhileOpen({ topic: 'a' }, breaker, { probe() {}, every: 10 });
      }
      @OnEvent('a')
      async on(): Promise<void> {
        await opened.promise;
        throw new DeadLetter('no such customer');
      }
    }
    const { bus, until } = await start({ providers: [Handler] });
    its.down = true;
    await bus.publish('a', 1);
    await until('attempted');
    const isolated = breaker.isolate();
    opened.resolve();
    await until('dead-lettered');
    isolated.dispose();
    await until('resumed');
  });

  it('stays paused for whoever paused it, and for its circuit, until neither wants it', async () => {
    const { breaker, charged, Charges } = charging();
    const { app, bus, until } = await start({ providers: [Charges] });
    const subscriptions = app.get(Subscriptions);
    const isolated = breaker.isolate();
    await until('paused');
    await subscriptions.resume({ topic: 'order.placed' });
    expect(subscriptions.list()).toMatchObject([{ state: 'paused' }]);
    await subscriptions.pause({ topic: 'order.placed' });
    isolated.dispose();
    await until('circuit-closed');
    await subscriptions.setConcurrency({ topic: 'order.placed' }, 2);
    expect(subscriptions.list()).toMatchObject([{ state: 'paused', concurrency: 2 }]);
    await bus.publish('order.placed', 1);
    await subscriptions.resume({ topic: 'order.placed' });
    await until('handled');
    expect(charged).toEqual([1]);
  });

  it('waits from the beginning where its circuit is open by then, and goes on when that closes', async () => {
    const { breaker, charged, probes, Charges } = charging();
    const down = (): Promise<void> => Promise.reject(new Error('503'));
    for (let n = 0; n < 3; n++) await breaker.execute(down).catch(() => undefined);
    const { bus, until } = await start({ providers: [Charges] });
    await until('paused');
    await bus.publish('order.placed', 1);
    await until('handled');
    expect(charged).toEqual([1]);
    expect(probes.length).toBeGreaterThan(0);
  });

  it('asks no more once the application shuts down', async () => {
    const { its, probes, Charges } = charging();
    its.down = true;
    const { bus, until, app } = await start({ providers: [Charges] });
    for (let n = 0; n < 3; n++) await bus.publish('order.placed', n);
    await until('paused');
    await eventually(
      async () => probes.length,
      (count) => count > 0,
    );
    await app.close();
    const asked = probes.length;
    // So long that it would have been asked some times more.
    await new Promise((resolve) => setTimeout(resolve, 100));
    expect(probes).toHaveLength(asked);
  });

  it('tells a probe that takes too long, and asks again', async () => {
    const told = deferred<unknown>();
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 1, breaker: new ConsecutiveBreaker(1) });
    let probes = 0;
    @Injectable()
    class Handler {
      @OnQueue('mails')
      send(): Promise<void> {
        return breaker.execute(() => {
          throw new Error('down');
        });
      }
    }
    const { app, bus, until } = await start({ providers: [Handler] });
    const end = app.get(Subscriptions).pauseWhileOpen({ queue: 'mails' }, breaker, {
      every: 5,
      probe(signal) {
        if (probes++ > 0) return undefined;
        return new Promise(() => signal.addEventListener('abort', () => told.resolve(signal.reason)));
      },
    });
    await bus.enqueue('mails', 1);
    await until('resumed');
    expect(await told.promise).toMatchObject({ code: 'HANDLER_TIMEOUT' });
    expect(probes).toBeGreaterThan(1);
    end();
  });

  it('takes no probe that fails for one that succeeds, where its breaker counts other errors alone', async () => {
    const breaker = circuitBreaker(handleType(TypeError), {
      halfOpenAfter: 1,
      breaker: new ConsecutiveBreaker(1),
    });
    let down = true;
    let calls = 0;
    let probes = 0;
    @Injectable()
    class Handler {
      @OnQueue('mails')
      send(): Promise<void> {
        calls++;
        return breaker.execute(() => {
          if (down) throw new TypeError('503');
        });
      }
      @OnQueue('letters')
      print(): void {}
    }
    const { app, bus, events, until } = await start({ providers: [Handler] });
    // Two that depend on the same: what one's probe is told is told to both.
    for (const queue of ['mails', 'letters'])
      app.get(Subscriptions).pauseWhileOpen({ queue }, breaker, {
        every: 5,
        probe() {
          probes++;
          if (down) throw new RangeError('no answer');
        },
      });
    await bus.enqueue('mails', 1);
    await until('paused');
    await eventually(
      async () => probes,
      (count) => count >= 6,
    );
    expect(calls).toBe(1);
    expect(events.map(({ type }) => type)).not.toContain('circuit-closed');
    down = false;
    await until('handled');
    expect(calls).toBe(2);
  });

  it('goes on at once where nobody watches its circuit any more', async () => {
    const { breaker, its } = charging();
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(): void {}
    }
    const { app, bus, until } = await start({ providers: [Handler] });
    const end = app.get(Subscriptions).pauseWhileOpen({ topic: 'a' }, breaker, { probe: () => its.calls++ });
    breaker.isolate();
    await until('paused');
    end();
    await bus.publish('a', 1);
    await until('handled');
    expect(its.calls).toBe(0);
  });

  it('that cannot be subscribed again is not ready, and is tried again', async () => {
    const inner = memory();
    let away = false;
    const broker: typeof inner = {
      name: 'memory',
      open(environment) {
        const transport = inner.open(environment);
        return {
          ...transport,
          subscribe(...call) {
            if (away) throw new Error('the broker is away');
            return transport.subscribe(...call);
          },
        };
      },
    };
    const { breaker } = charging();
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(): void {}
    }
    const { app, bus, until } = await start({ providers: [Handler] }, { service: 'shop', broker });
    app.get(Subscriptions).pauseWhileOpen({ topic: 'a' }, breaker, { probe() {}, every: 5 });
    const isolated = breaker.isolate();
    await until('paused');
    away = true;
    isolated.dispose();
    await until('warning', ({ message }) => message.includes('after its circuit closed'));
    const check = () => app.get(MessagingHealth).check();
    const report = await eventually(check, ({ ready }) => !ready);
    expect(report).toMatchObject({ ready: false, live: true });
    expect(JSON.stringify(report)).toContain('could not be subscribed again after its circuit closed');
    away = false;
    await eventually(check, ({ ready }) => ready);
    await bus.publish('a', 1);
    await until('handled');
  });

  it.each<[string, unknown, unknown, RegExp]>([
    [
      'no breaker',
      {},
      { probe() {} },
      /pauseWhileOpen breaker is an object: expected a circuit breaker with/,
    ],
    [
      'a state in words, of which any would be open',
      { onBreak() {}, onReset() {}, execute() {}, state: 'closed' },
      { probe() {} },
      /and no state but a number/,
    ],
    ['no probe', undefined, {}, /pauseWhileOpen options\.probe is undefined: expected/],
    ['no interval', undefined, { probe() {}, every: 0 }, /options\.every is 0: expected a duration longer/],
    [
      'an unknown key',
      undefined,
      { probe() {}, often: 1 },
      /unknown option .*\.often: valid are probe, every/,
    ],
  ])('is refused with %s', async (_, breaker, options, message) => {
    const { breaker: real } = charging();
    const { app } = await start({});
    const watching = () =>
      app.get(Subscriptions).pauseWhileOpen({ topic: 'a' }, (breaker ?? real) as never, options as never);
    expect(watching).toThrow(ConfigurationError);
    expect(watching).toThrow(message);
  });
});
