import { describe, expect, it } from '@jest/globals';
import { Injectable, type OnModuleInit } from '@nestjs/common';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import {
  ConfigurationError,
  defineEvent,
  Discard,
  memory,
  MessagingEvents,
  OnEvent,
  Subscriptions,
  type Broker,
  type MessagingEventMap,
} from '@nest-messaging/core';
import type { Environment } from '@nest-messaging/core/contract';
import { circuitBreaker, ConsecutiveBreaker, handleAll } from 'cockatiel';
import { AT_ONCE, start } from '../support/application.js';

@Injectable()
class Handler {
  @OnEvent('order.*', { group: 'billing', retry: { attempts: 2, ...AT_ONCE } })
  on({ act }: { act?: string }): void {
    if (act === 'fail') throw Object.assign(new TypeError('no luck'), { code: 'E_LUCK', order: 'canary-1' });
    if (act === 'discard') throw new Discard('of no use');
  }
}

/** Memory, and what its transport can report. */
function reporting(): { readonly broker: Broker; readonly report: Environment['report'] } {
  const inner = memory();
  let report!: Environment['report'];
  const broker: Broker = {
    name: 'memory',
    open(environment) {
      report = environment.report;
      return inner.open(environment);
    },
  };
  return { broker, report: (event) => report(event) };
}

async function heard<Type extends keyof MessagingEventMap>(
  events: MessagingEvents,
  type: Type,
): Promise<MessagingEventMap[Type][]> {
  const all: MessagingEventMap[Type][] = [];
  events.on(type, (event) => all.push(event));
  return all;
}

describe('MessagingEvents', () => {
  it('tells what happens to a message: what names it, and why; no body, no header, no key', async () => {
    const { app, bus, until } = await start({ providers: [Handler] });
    const events = app.get(MessagingEvents);
    const published = await heard(events, 'published');
    const handled = await heard(events, 'handled');
    const retried = await heard(events, 'retried');
    const dead = await heard(events, 'dead-lettered');
    const discarded = await heard(events, 'discarded');
    const options = { headers: { token: 'canary-2' }, key: 'canary-5', correlationId: 'c1' };
    await bus.publish('order.placed', { card: 'canary-3' }, { ...options, messageId: 'm1' });
    await bus.publish('order.placed', { act: 'fail', card: 'canary-4' }, { messageId: 'm2' });
    await bus.publish('order.placed', { act: 'discard' }, { messageId: 'm3' });
    await until('handled');
    await until('dead-lettered');
    await until('discarded');
    const message = (id: string) => ({ connection: 'default', id, kind: 'topic', topic: 'order.placed' });
    const attempt = { group: 'billing', source: 'order.*', attempt: 1 };
    expect(published[0]).toEqual({ ...message('m1'), correlationId: 'c1' });
    expect(handled).toEqual([
      { ...message('m1'), correlationId: 'c1', ...attempt, duration: expect.any(Number) },
    ]);
    const error = { name: 'TypeError', message: 'no luck', code: 'E_LUCK' };
    const failure = { ...message('m2'), ...attempt, error, duration: expect.any(Number) };
    expect(retried).toEqual([{ ...failure, delay: 1 }]);
    expect(dead).toEqual([{ ...failure, attempt: 2 }]);
    expect(discarded).toEqual([
      {
        ...message('m3'),
        ...attempt,
        error: { name: 'Discard', message: 'of no use', code: 'DISCARD' },
        duration: expect.any(Number),
      },
    ]);
    expect(JSON.stringify([published, handled, retried, dead, discarded])).not.toContain('canary');
  });

  it('tells what happens to a connection, by its name, from the first on', async () => {
    const connected: unknown[] = [];
    @Injectable()
    class Alerts implements OnModuleInit {
      constructor(private readonly events: MessagingEvents) {
        events.on('connected', (event) => connected.push(event));
      }
      onModuleInit(): void {
        expect(this.events).toBeInstanceOf(MessagingEvents);
      }
    }
    const { broker, report } = reporting();
    const { app } = await start(
      { providers: [Alerts] },
      { service: 'shop', connections: { audit: { broker } } },
    );
    expect(connected).toEqual([
      { connection: 'default', to: 'memory' },
      { connection: 'audit', to: 'memory' },
    ]);
    const events = app.get(MessagingEvents);
    const all: unknown[] = [];
    for (const type of [
      'disconnected',
      'blocked',
      'unblocked',
      'gap',
      'warning',
      'settlement-failed',
    ] as const)
      events.on(type, (event) => all.push([type, event]));
    report({ type: 'disconnected', from: 'there', error: new Error('cut') });
    report({ type: 'blocked', reason: 'no memory' });
    report({ type: 'unblocked' });
    report({ type: 'gap', subscription: "topic 'a' of group 'b'", message: 'records 1 to 3' });
    report({ type: 'warning', message: 'mind this' });
    report({
      type: 'settlement-failed',
      settlement: 'retry',
      subscription: "topic 'a' of group 'b'",
      group: 'b',
      messageId: 'm1',
      destination: { kind: 'topic', name: 'a' },
      attempt: 2,
      error: new Error('cut'),
    });
    const connection = 'audit';
    const error = { name: 'Error', message: 'cut' };
    expect(all).toEqual([
      ['disconnected', { connection, from: 'there', error }],
      ['blocked', { connection, reason: 'no memory' }],
      ['unblocked', { connection }],
      ['gap', { connection, subscription: "topic 'a' of group 'b'", reason: 'records 1 to 3' }],
      ['warning', { connection, reason: 'mind this' }],
      [
        'settlement-failed',
        {
          connection,
          subscription: "topic 'a' of group 'b'",
          group: 'b',
          id: 'm1',
          kind: 'topic',
          topic: 'a',
          attempt: 2,
          settlement: 'retry',
          error,
        },
      ],
    ]);
  });

  it('tells of overload: of each publish that was refused', async () => {
    const { app, bus } = await start({}, { service: 'shop', publish: { maxPending: 1, timeout: 50 } });
    const refused = await heard(app.get(MessagingEvents), 'overload');
    const unanswering: StandardSchemaV1<unknown, unknown> = {
      '~standard': { version: 1, vendor: 'test', validate: () => new Promise<never>(() => undefined) },
    };
    const stuck = defineEvent('stuck', { schema: unanswering });
    await expect(bus.publish(stuck, {})).rejects.toMatchObject({ code: 'OVERLOAD' });
    expect(refused).toEqual([
      {
        connection: 'default',
        kind: 'topic',
        topic: 'stuck',
        error: {
          name: 'OverloadError',
          message: expect.stringContaining('nothing was sent'),
          code: 'OVERLOAD',
        },
      },
    ]);
  });

  it('tells what an operator does', async () => {
    const { app } = await start({ providers: [Handler] });
    const events = app.get(MessagingEvents);
    const told: unknown[] = [];
    events.on('paused', (event) => told.push(event));
    events.on('resumed', (event) => told.push(event));
    const subscriptions = app.get(Subscriptions);
    events.on('resized', (event) => told.push(event));
    await subscriptions.pause({ topic: 'order.*', group: 'billing' });
    await subscriptions.resume({ topic: 'order.*', group: 'billing' });
    await subscriptions.setConcurrency({ topic: 'order.*', group: 'billing' }, 3);
    const subscription = expect.stringContaining('order.*');
    expect(told).toEqual([
      { connection: 'default', subscription },
      { connection: 'default', subscription },
      { connection: 'default', subscription, concurrency: 3 },
    ]);
  });

  it('tells when a circuit opens and closes, and what failed meanwhile', async () => {
    const breaker = circuitBreaker(handleAll, { halfOpenAfter: 1, breaker: new ConsecutiveBreaker(1) });
    @Injectable()
    class Charges {
      @OnEvent('charge')
      on(): Promise<void> {
        return breaker.execute(() => {
          throw new TypeError('503');
        });
      }
    }
    const { app, bus, until } = await start({ providers: [Charges] });
    const events = app.get(MessagingEvents);
    const opened = await heard(events, 'circuit-opened');
    const closed = await heard(events, 'circuit-closed');
    const released = await heard(events, 'released');
    app.get(Subscriptions).pauseWhileOpen({ topic: 'charge' }, breaker, { probe() {}, every: 5 });
    await bus.publish('charge', 1, { messageId: 'm1' });
    await until('circuit-closed');
    const subscription = "topic 'charge' of group 'shop'";
    expect(opened[0]).toEqual({ connection: 'default', subscription });
    expect(closed[0]).toEqual({ connection: 'default', subscription });
    expect(released[0]).toMatchObject({
      id: 'm1',
      attempt: 1,
      error: { name: 'TypeError', message: '503' },
      duration: expect.any(Number),
    });
  });

  it('is not changed by a listener that throws, rejects or changes what it is told', async () => {
    const { app, bus, until } = await start({ providers: [Handler] });
    const events = app.get(MessagingEvents);
    events.on('published', () => {
      throw new Error('a bad listener');
    });
    events.on('published', async () => {
      throw new Error('a worse listener');
    });
    const changed: boolean[] = [];
    events.on('published', (event) => changed.push(Reflect.set(event, 'topic', 'mine')));
    const published = await heard(events, 'published');
    await bus.publish('order.placed', {});
    await until('handled');
    expect(published).toEqual([expect.objectContaining({ topic: 'order.placed' })]);
    expect(changed).toEqual([false]);
  });

  it('ends for one listener at a time', async () => {
    const { app, bus } = await start({});
    const events = app.get(MessagingEvents);
    const told: unknown[] = [];
    const listener = (event: unknown): unknown => told.push(event);
    const end = events.on('published', listener);
    events.on('published', listener);
    await bus.publish('a', {});
    end();
    end();
    await bus.publish('a', {});
    expect(told).toHaveLength(3);
  });

  it('refuses what it never tells, and names what it does', async () => {
    const { app } = await start({});
    const refused = (): unknown => app.get(MessagingEvents).on('dead' as never, () => undefined);
    expect(refused).toThrow(ConfigurationError);
    expect(refused).toThrow(/nothing is told of 'dead': valid are connected, .*, dead-lettered, /);
  });
});
