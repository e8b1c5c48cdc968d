import { AsyncLocalStorage } from 'node:async_hooks';
import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  ClosedError,
  ConfigurationError,
  defineEvent,
  memory,
  MessageContext,
  MessagingHealth,
  OnEvent,
  OnQueue,
  RetryLater,
  Subscriptions,
  TopologyError,
  UnsupportedError,
  type Broker,
  type HandlerOptions,
} from '@nest-messaging/core';
import type { Subscription, SubscriptionId, Transport } from '@nest-messaging/core/contract';
import { deferred } from '../../src/engine/deferred.js';
import { compile, eventually, recorder, start, stop } from '../support/application.js';

const Placed = defineEvent('order.placed');

@Injectable()
class Invoices {
  readonly seen: unknown[] = [];
  @OnEvent(Placed)
  bill(order: unknown): void {
    this.seen.push(order);
  }
  @OnEvent('order.*', { group: 'audit' })
  note(): void {}
  @OnQueue('mails')
  send(mail: unknown): void {
    this.seen.push(mail);
  }
  @OnEvent('refresh', { broadcast: true })
  refresh(): void {}
}

interface Operated {
  readonly broker: Broker;
  readonly replays: [SubscriptionId, 'beginning' | number][];
  readonly running: Set<Subscription>;
}

/** Memory whose transport says that it can replay, and does what `replay` does. */
function operated(
  replay: () => Promise<void> = async () => {},
  subscribing: () => unknown = () => undefined,
): Operated {
  const inner = memory();
  const replays: Operated['replays'] = [];
  const running = new Set<Subscription>();
  const open: Broker['open'] = (environment) => {
    const transport: Transport = inner.open(environment);
    return {
      ...transport,
      capabilities: { ...transport.capabilities, replay: 'emulated' },
      async subscribe(subscription, handle) {
        await subscribing();
        const consumer = await transport.subscribe(subscription, handle);
        running.add(subscription);
        return {
          async stop() {
            running.delete(subscription);
            await consumer.stop();
          },
        };
      },
      async replay(id, from) {
        replays.push([id, from]);
        await replay();
      },
    };
  };
  return { broker: { name: 'memory', open }, replays, running };
}

const partsOf = async (app: Awaited<ReturnType<typeof start>>['app']) =>
  (await app.get(MessagingHealth).check()).connections[0]!;

const unready = async (app: Awaited<ReturnType<typeof start>>['app']) =>
  (await partsOf(app)).parts.filter(({ ready }) => !ready);

/** Nobody wants it paused, and it takes nothing. */
const beingSubscribed = {
  name: "topic 'order.placed' of group 'shop'",
  reason: 'being subscribed',
};

describe('pausing', () => {
  it('stops a subscription in this process until it is resumed', async () => {
    const { app, bus, until } = await start({ providers: [Invoices] });
    const subscriptions = app.get(Subscriptions);
    await subscriptions.pause({ topic: Placed });
    await subscriptions.pause({ queue: 'mails' });
    expect(await partsOf(app)).toMatchObject({
      ready: true,
      parts: expect.arrayContaining([
        {
          name: "topic 'order.placed' of group 'shop'",
          ready: true,
          paused: true,
          since: expect.any(Number),
        },
        { name: "queue 'mails'", ready: true, paused: true, since: expect.any(Number) },
      ]),
    });
    await bus.publish(Placed, 1);
    await bus.enqueue('mails', 2);
    await until('handled', ({ group }) => group === 'audit');
    expect(app.get(Invoices).seen).toEqual([]);
    await subscriptions.resume({ topic: 'order.placed', group: 'shop' });
    await subscriptions.resume({ queue: 'mails' });
    await until('handled', ({ message }) => message.destination.kind === 'queue');
    await until('handled', ({ group, message }) => group === 'shop' && message.destination.kind === 'topic');
    expect(new Set(app.get(Invoices).seen)).toEqual(new Set([1, 2]));
    expect((await partsOf(app)).parts.filter(({ paused }) => paused)).toEqual([]);
  });

  it('has ended for health when it is subscribed again, and not when that is asked for', async () => {
    const subscribed = deferred();
    let resumed = false;
    const { broker } = operated(undefined, () => resumed && subscribed.promise);
    const { app } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const subscriptions = app.get(Subscriptions);
    await subscriptions.pause({ topic: Placed });
    expect(await unready(app)).toEqual([]);
    resumed = true;
    const resuming = subscriptions.resume({ topic: Placed });
    const [part, ...others] = await eventually(
      () => unready(app),
      ({ length }) => length > 0,
    );
    expect(part).toMatchObject(beingSubscribed);
    expect(part).not.toHaveProperty('paused');
    expect(others).toEqual([]);
    subscribed.resolve();
    await resuming;
    expect(await unready(app)).toEqual([]);
  });

  it('returns what waits for its retry in place', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Ledger {
      @OnEvent('booked', { ordered: true })
      book(n: number, { attempt }: MessageContext): void {
        record(n, attempt);
        if (calls.length === 1) throw new RetryLater('1h');
      }
    }
    const { app, bus, until } = await start({ providers: [Ledger] });
    await bus.publish('booked', 1, { key: 'k' });
    await bus.publish('booked', 2, { key: 'k' });
    await until('retried');
    await app.get(Subscriptions).pause({ topic: 'booked' });
    await app.get(Subscriptions).resume({ topic: 'booked' });
    await until('handled', ({ message }) => Buffer.from(message.body).toString() === '2');
    expect(calls).toEqual([
      [1, 1],
      [1, 1],
      [2, 1],
    ]);
  });

  it.each<[string, Parameters<Subscriptions['pause']>[0], RegExp]>([
    [
      'a topic that nothing here handles',
      { topic: 'order.plased' },
      /no handler of this process has topic 'order\.plased' of group 'shop': it has topic 'order\.placed' of group 'shop', pattern 'order\.\*' of group 'audit', queue 'mails'$/,
    ],
    ['a queue of a topic’s name', { queue: 'shop.order.placed' }, /no handler of this process has queue/],
    ['a broadcast', { topic: 'refresh' }, /no handler of this process has topic 'refresh'/],
    ['a connection that does not exist', { topic: Placed, connection: 'x' }, /names the connection 'x'/],
  ])('refuses %s', async (_, source, message) => {
    const { app } = await start({ providers: [Invoices] });
    const pausing = app.get(Subscriptions).pause(source);
    await expect(pausing).rejects.toBeInstanceOf(ConfigurationError);
    await expect(pausing).rejects.toThrow(message);
  });

  it('lets no handler run in the context of whoever resumed it, or changed how many run', async () => {
    const operator = new AsyncLocalStorage<string>();
    const held = deferred();
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(): void {
        record('a', operator.getStore());
      }
      @OnEvent('row', { ordered: true, concurrency: 1, batch: { size: 1 } })
      async insert([row]: unknown[]): Promise<void> {
        record(row, operator.getStore());
        if (row === 1) await held.promise;
      }
    }
    const { app, bus } = await start({ providers: [Handler] });
    const subscriptions = app.get(Subscriptions);
    const called = (count: number) =>
      eventually(
        async () => calls.length,
        (length) => length === count,
      );
    await subscriptions.pause({ topic: 'a' });
    await operator.run('operator', () => subscriptions.resume({ topic: 'a' }));
    await bus.publish('a', 1);
    await called(1);
    for (const row of [1, 2]) await bus.publish('row', row, { key: `${row}` });
    await called(2);
    await operator.run('operator', () => subscriptions.setConcurrency({ topic: 'row' }, 2));
    await called(3);
    held.resolve();
    expect(calls).toEqual([
      ['a', undefined],
      [1, undefined],
      [2, undefined],
    ]);
  });

  it('is refused before the application has started and once it shuts down', async () => {
    const app = await compile({ providers: [Invoices] });
    const early = app.get(Subscriptions).pause({ topic: Placed });
    await expect(early).rejects.toBeInstanceOf(ClosedError);
    await expect(early).rejects.toThrow(/has not started/);
    const running = await start({ providers: [Invoices] });
    const subscriptions = running.app.get(Subscriptions);
    await stop(running.app);
    for (const late of [subscriptions.pause({ topic: Placed }), subscriptions.resume({ topic: Placed })])
      await expect(late).rejects.toThrow(/is shutting down/);
  });
});

describe('changing concurrency', () => {
  /** Handlers that run until the test lets them. */
  function busy(options: HandlerOptions) {
    const door = deferred();
    const state = { running: 0 };
    @Injectable()
    class Busy {
      @OnEvent('a', options)
      async on(): Promise<void> {
        state.running++;
        await door.promise;
      }
    }
    return { Busy, door, state };
  }

  const turns = async (): Promise<void> => {
    for (let n = 0; n < 10; n++) await new Promise((resolve) => setImmediate(resolve));
  };

  it.each<[string, HandlerOptions]>([
    ['single messages', { concurrency: 1 }],
    ['messages in order', { concurrency: 1, ordered: true }],
    ['batches', { concurrency: 1, batch: { size: 1, wait: 0 } }],
  ])('lets more handlers run at once, and interrupts none, for %s', async (_, options) => {
    const { Busy, door, state } = busy(options);
    const { app, bus, events } = await start({ providers: [Busy] });
    const subscriptions = app.get(Subscriptions);
    for (let n = 0; n < 5; n++) await bus.publish('a', n, { key: `${n}` });
    await eventually(
      async () => state.running,
      (running) => running === 1,
    );
    await turns();
    expect(state.running).toBe(1);
    await subscriptions.setConcurrency({ topic: 'a' }, 3);
    await eventually(
      async () => state.running,
      (running) => running === 3,
    );
    await turns();
    expect(state.running).toBe(3);
    expect(subscriptions.list()).toMatchObject([{ topic: 'a', state: 'running', concurrency: 3 }]);
    door.resolve();
    await eventually(
      async () => state.running,
      (running) => running === 5,
    );
    expect(events.filter(({ type }) => type === 'resized')).toEqual([
      { type: 'resized', subscription: "topic 'a' of group 'shop'", concurrency: 3 },
    ]);
  });

  it('is kept by a subscription that is paused, and by one that is replayed', async () => {
    const { broker, running } = operated();
    const { app } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const subscriptions = app.get(Subscriptions);
    await subscriptions.pause({ topic: Placed });
    await subscriptions.setConcurrency({ topic: Placed }, 2);
    await subscriptions.resume({ topic: Placed });
    await subscriptions.replay({ topic: Placed }, { from: 'beginning' });
    const billing = [...running].find(({ source }) => source.name === 'order.placed');
    expect(billing?.maxUnsettled).toBe(2);
  });

  it('begins another consumer where the transport cannot change one, and loses nothing', async () => {
    const { broker, running } = operated();
    const { app, bus, until } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    await app.get(Subscriptions).setConcurrency({ queue: 'mails' }, 7);
    expect([...running].filter(({ source }) => source.name === 'mails')).toMatchObject([{ maxUnsettled: 7 }]);
    await bus.enqueue('mails', 1);
    await until('handled', ({ message }) => message.destination.kind === 'queue');
  });

  it.each<[string, Parameters<Subscriptions['setConcurrency']>, RegExp]>([
    ['none', [{ topic: Placed }, 0], /setConcurrency concurrency is 0: expected at least 1/],
    ['a part of one', [{ topic: Placed }, 1.5], /is 1\.5: expected a whole number/],
    ['what nobody handles', [{ topic: 'x' }, 1], /no handler of this process has topic 'x'/],
  ])('is refused for %s', async (_, call, message) => {
    const { app } = await start({ providers: [Invoices] });
    const changing = app.get(Subscriptions).setConcurrency(...call);
    await expect(changing).rejects.toBeInstanceOf(ConfigurationError);
    await expect(changing).rejects.toThrow(message);
  });
});

describe('the list of subscriptions', () => {
  it('names each as the other calls take it, on every connection and at any time', async () => {
    @Injectable()
    class Audit {
      @OnEvent('order.#', { connection: 'audit', group: 'audit' })
      note(): void {}
    }
    const app = await compile(
      { providers: [Invoices, Audit] },
      { service: 'shop', connections: { audit: {} } },
    );
    const subscriptions = app.get(Subscriptions);
    expect(subscriptions.list()).toEqual([]);
    await app.init();
    expect(subscriptions.list()).toEqual([
      ...[
        { topic: 'order.placed', group: 'shop' },
        { topic: 'order.*', group: 'audit' },
        { queue: 'mails' },
        { topic: 'refresh', group: 'shop', broadcast: true },
      ].map((own) => ({
        connection: 'default',
        broadcast: false,
        state: 'running',
        concurrency: 10,
        ...own,
      })),
      {
        topic: 'order.#',
        group: 'audit',
        connection: 'audit',
        broadcast: false,
        state: 'running',
        concurrency: 10,
      },
    ]);
    for (const each of subscriptions.list()) if (!each.broadcast) await subscriptions.pause(each);
    expect(subscriptions.list().map(({ state }) => state)).toEqual([
      'paused',
      'paused',
      'paused',
      'running',
      'paused',
    ]);
    await app.close();
    expect(new Set(subscriptions.list().map(({ state }) => state))).toEqual(new Set(['stopped', 'paused']));
  });
});

describe('a replay', () => {
  it('is refused by a broker that keeps nothing', async () => {
    const { app } = await start({ providers: [Invoices] });
    const replaying = app.get(Subscriptions).replay({ topic: Placed }, { from: 'beginning' });
    await expect(replaying).rejects.toBeInstanceOf(UnsupportedError);
    await expect(replaying).rejects.toThrow(
      "memory keeps nothing that was settled: topic 'order.placed' of group 'shop' cannot be replayed",
    );
  });

  it('has no consumer here while it goes on, and the same one afterwards', async () => {
    const running = deferred();
    const { broker, replays, running: consumers } = operated(() => running.promise);
    const { app, bus, until } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const isBilling = ({ group, source }: Subscription) => group === 'shop' && source.name === 'order.placed';
    const from = new Date(Date.now() - 1_000);
    const replaying = app.get(Subscriptions).replay({ topic: Placed }, { from });
    while (replays.length === 0) await new Promise((resolve) => setImmediate(resolve));
    expect(replays).toEqual([
      [{ source: { kind: 'topic', name: 'order.placed' }, group: 'shop' }, from.getTime()],
    ]);
    expect([...consumers].some(isBilling)).toBe(false);
    expect(await unready(app)).toMatchObject([beingSubscribed]);
    running.resolve();
    await replaying;
    expect([...consumers].filter(isBilling)).toHaveLength(1);
    expect(await unready(app)).toEqual([]);
    await bus.publish(Placed, 1);
    await until('handled', ({ group }) => group === 'shop');
  });

  it('leaves what was paused paused, and asks nothing of this process about what it does not handle', async () => {
    const { broker, replays, running } = operated();
    const { app } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const subscriptions = app.get(Subscriptions);
    await subscriptions.pause({ queue: 'mails' });
    const before = running.size;
    await subscriptions.replay({ queue: 'mails' }, { from: 'beginning' });
    await subscriptions.replay({ topic: 'elsewhere', group: 'other' }, { from: 'beginning' });
    expect(running.size).toBe(before);
    expect(replays.map(([{ group }]) => group)).toEqual(['shop', 'other']);
  });

  it('that fails brings its consumer back', async () => {
    const { broker, running } = operated(() => Promise.reject(new TopologyError('another runs')));
    const { app } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const before = running.size;
    const replaying = app.get(Subscriptions).replay({ topic: Placed }, { from: 'beginning' });
    await expect(replaying).rejects.toThrow('another runs');
    expect(running.size).toBe(before);
  });

  it('tells when its consumer does not come back, and resuming brings it', async () => {
    let away = false;
    const { broker } = operated(
      async () => {
        away = true;
      },
      () => {
        if (away) throw new Error('the broker is away');
      },
    );
    const { app, bus, events, until } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const subscriptions = app.get(Subscriptions);
    const replaying = subscriptions.replay({ topic: Placed }, { from: 'beginning' });
    await expect(replaying).rejects.toThrow('the broker is away');
    const { ready, live, parts } = await partsOf(app);
    expect({ ready, live }).toEqual({ ready: false, live: false });
    const reason = 'could not be subscribed again after a replay: Error: the broker is away';
    expect(parts.find((part) => !part.ready)).toEqual({
      name: "topic 'order.placed' of group 'shop'",
      ready: false,
      gaveUp: true,
      reason,
      since: expect.any(Number),
      lastError: { message: reason, at: expect.any(Number) },
    });
    expect(
      events.some((event) => event.type === 'warning' && event.message.includes('until it is resumed')),
    ).toBe(true);
    away = false;
    await subscriptions.resume({ topic: Placed });
    expect(await partsOf(app)).toMatchObject({ ready: true });
    await bus.publish(Placed, 1);
    await until('handled', ({ group }) => group === 'shop');
  });

  it('that goes on at shutdown is waited for, and nothing is subscribed after it', async () => {
    const going = deferred();
    const { broker, running } = operated(() => going.promise);
    const { app } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const replaying = app.get(Subscriptions).replay({ topic: Placed }, { from: 'beginning' });
    await new Promise((resolve) => setTimeout(resolve, 10));
    let stopped = false;
    const stopping = stop(app).then(() => (stopped = true));
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(stopped).toBe(false);
    going.resolve();
    await Promise.all([stopping, replaying]);
    expect(running.size).toBe(0);
  });

  it.each<[string, unknown, RegExp]>([
    ['no start', {}, /Subscriptions\.replay options\.from/],
    [
      'text',
      { from: 'yesterday' },
      /options\.from is 'yesterday': expected 'beginning' or a date that has passed/,
    ],
    [
      'no date',
      { from: new Date(Number.NaN) },
      /options\.from .*expected 'beginning' or a date that has passed/,
    ],
    ['the future', { from: new Date(Date.now() + 60_000) }, /expected 'beginning' or a date that has passed/],
    ['an unknown key', { from: 'beginning', to: 1 }, /unknown option .*\.to: valid are from/],
  ])('from %s is refused', async (_, options, message) => {
    const { broker, replays } = operated();
    const { app } = await start({ providers: [Invoices] }, { service: 'shop', broker });
    const replaying = app.get(Subscriptions).replay({ topic: Placed }, options as never);
    await expect(replaying).rejects.toBeInstanceOf(ConfigurationError);
    await expect(replaying).rejects.toThrow(message);
    expect(replays).toEqual([]);
  });
});
