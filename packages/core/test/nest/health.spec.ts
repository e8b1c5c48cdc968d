import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import {
  memory,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OnQueue,
  Subscriptions,
  type Broker,
} from '@nest-messaging/core';
import type { Environment, HealthPart, Transport } from '@nest-messaging/core/contract';
import { Test } from '@nestjs/testing';
import { deferred } from '../../src/engine/deferred.js';
import { eventually, start } from '../support/application.js';

interface Watched {
  readonly broker: Broker;
  readonly environment: () => Environment;
  /** What the transport says of itself, beside what it is, and how often it was asked. */
  readonly state: { part?: Partial<HealthPart>; looks: number };
}

/** Memory whose connection can be told to look different. */
function watched(change: (transport: Transport) => Partial<Transport> = () => ({})): Watched {
  const inner = memory();
  const state: Watched['state'] = { looks: 0 };
  let environment: Environment | undefined;
  const open: Broker['open'] = (its) => {
    environment = its;
    const transport = inner.open(its);
    return {
      ...transport,
      async health() {
        state.looks++;
        const { parts } = await transport.health();
        return { ready: true, parts: parts.map((part, n) => (n === 0 ? { ...part, ...state.part } : part)) };
      },
      ...change(transport),
    };
  };
  return { broker: { name: 'memory', open }, environment: () => environment!, state };
}

@Injectable()
class Handler {
  @OnEvent('a')
  on(): void {}
  @OnQueue('tasks')
  work(): void {}
  @OnEvent('a', { broadcast: true })
  refresh(): void {}
}

const connectionOf = async (app: Awaited<ReturnType<typeof start>>['app']) =>
  (await app.get(MessagingHealth).check()).connections[0]!;

describe('health', () => {
  it('says since when each part is as it is, from when its transport tells of a change', async () => {
    const { broker, environment, state } = watched();
    const before = Date.now();
    const { app } = await start({ providers: [Handler] }, { service: 'shop', broker });
    const { parts } = await connectionOf(app);
    expect(parts).toHaveLength(5);
    for (const { since } of parts) {
      expect(since).toBeGreaterThanOrEqual(before);
      expect(since).toBeLessThanOrEqual(Date.now());
    }
    state.part = { ready: false, reason: 'ECONNRESET' };
    const { looks } = state;
    environment().report({ type: 'disconnected', from: 'memory', error: new Error('ECONNRESET') });
    await eventually(
      async () => state.looks,
      (now) => now > looks,
    );
    const told = Date.now();
    await eventually(
      async () => Date.now(),
      (now) => now > told,
    );
    const broken = (await connectionOf(app)).parts[1]!;
    expect(broken).toMatchObject({ name: 'memory', ready: false, reason: 'ECONNRESET' });
    expect(broken.since).toBeLessThanOrEqual(told);
    expect((await connectionOf(app)).parts[0]!.since).toBe(parts[0]!.since);
  });

  it('says since when a subscription is paused, whenever it is asked', async () => {
    const { app } = await start({ providers: [Handler] });
    await app.get(Subscriptions).pause({ topic: 'a' });
    await new Promise((resolve) => setTimeout(resolve, 30));
    const asked = Date.now();
    const { parts } = await connectionOf(app);
    expect(parts.find((part) => part.paused)!.since).toBeLessThan(asked);
  });

  it('remembers the last error of a part that is ready again', async () => {
    const { broker, state } = watched();
    const { app } = await start({}, { service: 'shop', broker });
    expect((await connectionOf(app)).parts[1]!.lastError).toBeUndefined();
    state.part = { ready: false, reason: 'ECONNRESET' };
    const { lastError } = (await connectionOf(app)).parts[1]!;
    expect(lastError).toMatchObject({ message: 'ECONNRESET', at: expect.any(Number) });
    expect((await connectionOf(app)).parts[1]!.lastError).toEqual(lastError);
    state.part = {};
    expect((await connectionOf(app)).parts[1]).toMatchObject({ ready: true, lastError });
    // The same once more: it was wrong a moment ago, not when it was so first.
    await new Promise((resolve) => setTimeout(resolve, 10));
    state.part = { ready: false, reason: 'ECONNRESET' };
    expect((await connectionOf(app)).parts[1]!.lastError!.at).toBeGreaterThan(lastError!.at);
  });

  it('is alive while a broker is away, and not where a part has given up', async () => {
    const { broker, state } = watched();
    const { app } = await start({}, { service: 'shop', broker });
    state.part = { ready: false, reason: 'away' };
    expect(await app.get(MessagingHealth).check()).toMatchObject({ ready: false, live: true });
    state.part = { ready: false, reason: 'gave up', gaveUp: true };
    expect(await app.get(MessagingHealth).check()).toMatchObject({ ready: false, live: false });
  });

  it('is not alive where the application could not start, and says why', async () => {
    const { broker } = watched(() => ({
      connect: () => Promise.reject(new Error('the password is wrong')),
    }));
    const module = await Test.createTestingModule({
      imports: [MessagingModule.forRoot({ service: 'shop', broker })],
    })
      .setLogger({ log() {}, warn() {}, error() {} })
      .compile();
    const health = module.get(MessagingHealth);
    expect(await health.check()).toMatchObject({ ready: false, live: true });
    await expect(module.init()).rejects.toThrow('the password is wrong');
    expect(await health.check()).toMatchObject({
      ready: false,
      live: false,
      connections: [
        { parts: [{ name: 'application', reason: 'could not start: Error: the password is wrong' }, {}] },
      ],
    });
  });

  it('tells how many publishes are pending, and how old the oldest is', async () => {
    const confirmed = deferred();
    const { broker } = watched(() => ({ publish: () => confirmed.promise }));
    const { app, bus } = await start({}, { service: 'shop', broker });
    expect((await connectionOf(app)).publishing).toEqual({ pending: 0 });
    const first = bus.publish('a', 1);
    await new Promise((resolve) => setTimeout(resolve, 20));
    const second = bus.publish('a', 2);
    const { pending, oldest } = (await connectionOf(app)).publishing;
    expect(pending).toBe(2);
    expect(oldest).toBeGreaterThanOrEqual(15);
    expect(oldest).toBeLessThan(1_000);
    confirmed.resolve();
    await Promise.all([first, second]);
    expect((await connectionOf(app)).publishing).toEqual({ pending: 0 });
  });
});

describe('the backlog', () => {
  it('is told of each subscription that outlives the process', async () => {
    const { app } = await start({ providers: [Handler] });
    expect(await app.get(MessagingHealth).backlog()).toEqual([
      { connection: 'default', broker: 'memory', name: "topic 'a' of group 'shop'", messages: 0 },
      { connection: 'default', broker: 'memory', name: "queue 'tasks'", messages: 0 },
    ]);
  });

  it('is asked of the broker once, however many ask at a time or soon after', async () => {
    let asked = 0;
    const { broker } = watched(() => ({ backlog: async () => ++asked }));
    const { app } = await start({ providers: [Handler] }, { service: 'shop', broker });
    const health = app.get(MessagingHealth);
    await Promise.all([health.backlog(), health.backlog()]);
    await health.backlog();
    expect(asked).toBe(2);
  });

  it('says why it does not know', async () => {
    const failing = watched(() => ({ backlog: () => Promise.reject(new Error('no right')) }));
    const silent = watched(() => ({ backlog: undefined }));
    const { app } = await start(
      { providers: [Handler] },
      { service: 'shop', broker: failing.broker, connections: { other: { broker: silent.broker } } },
    );
    expect(await app.get(MessagingHealth).backlog()).toMatchObject([
      { name: "topic 'a' of group 'shop'", reason: 'Error: no right' },
      { name: "queue 'tasks'", reason: 'Error: no right' },
    ]);
    @Injectable()
    class Elsewhere {
      @OnEvent('a', { connection: 'other' })
      on(): void {}
    }
    const second = await start(
      { providers: [Elsewhere] },
      { service: 'shop', connections: { other: { broker: silent.broker } } },
    );
    expect(await second.app.get(MessagingHealth).backlog()).toMatchObject([
      { connection: 'other', reason: 'memory does not tell' },
    ]);
  });

  it('counts what a paused subscription is missing', async () => {
    const { app, bus } = await start({ providers: [Handler] });
    await app.get(Subscriptions).pause({ queue: 'tasks' });
    for (let n = 0; n < 3; n++) await bus.enqueue('tasks', n);
    const backlog = await eventually(
      () => app.get(MessagingHealth).backlog(),
      (all) => all.length > 0,
    );
    expect(backlog.find(({ name }) => name === "queue 'tasks'")).toMatchObject({ messages: 3 });
  });
});
