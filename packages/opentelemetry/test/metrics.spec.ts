import { afterAll, afterEach, beforeAll, describe, expect, it } from '@jest/globals';
import { Injectable, type Type } from '@nestjs/common';
import { BatchContext, defineEvent, Discard, OnEvent, type EventBus } from '@nest-messaging/core';
import { AT_ONCE, start, type Running } from './support/application.js';
import { openTelemetry } from '@nest-messaging/opentelemetry';
import { record, type Recording } from './support/recording.js';

let recording: Recording;
let running: Running | undefined;

beforeAll(() => {
  recording = record();
});
afterAll(() => recording.end());
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function run(...handlers: Type[]): Promise<EventBus> {
  running = await start(handlers);
  return running.bus;
}

const deferred = (): { readonly promise: Promise<void>; readonly resolve: () => void } => {
  let resolve!: () => void;
  const promise = new Promise<void>((done) => (resolve = done));
  return { promise, resolve };
};

/** Asks until it is so. The test's own time limit bounds it. */
async function eventually(metric: string, attributes: Record<string, string>, value: number): Promise<void> {
  while ((await recording.value(metric, attributes)) !== value)
    await new Promise((resolve) => setTimeout(resolve, 5));
}

const of = (topic: string, group = 'shop') => ({
  'messaging.destination.name': topic,
  'messaging.consumer.group.name': group,
});

describe('metrics', () => {
  it('count and time publishes, and tell why they fail', async () => {
    const bus = await run();
    await bus.publish('m.sent', {});
    await bus.publish('m.sent', {});
    await bus
      .publish('m.failed', {}, { signal: AbortSignal.abort(new RangeError('no')) })
      .catch(() => undefined);
    const sent = {
      'messaging.system': 'memory',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'm.sent',
      'nest_messaging.connection': 'default',
    };
    expect(await recording.value('messaging.client.sent.messages', sent)).toBe(2);
    expect(await recording.value('messaging.client.operation.duration', sent)).toBe(2);
    expect(
      await recording.value('messaging.client.sent.messages', {
        'messaging.destination.name': 'm.failed',
        'error.type': 'RangeError',
      }),
    ).toBe(1);
  });

  it('count and time handlers and settlements, and tell the age of what was handled', async () => {
    @Injectable()
    class Handler {
      @OnEvent('m.handled', { group: 'billing' })
      on(): void {}
    }
    const bus = await run(Handler);
    await bus.publish('m.handled', {});
    const handled = of('m.handled', 'billing');
    await eventually(
      'messaging.client.operation.duration',
      { ...handled, 'messaging.operation.name': 'acknowledge' },
      1,
    );
    expect(await recording.value('messaging.client.consumed.messages', handled)).toBe(1);
    expect(await recording.value('messaging.process.duration', handled)).toBe(1);
    expect(await recording.value('nest_messaging.message.age', handled)).toBe(1);
  });

  it('tell the age of what was delayed from when it was due: to wait was what its publisher asked for', async () => {
    const hour = 3_600_000;
    const now = Date.now();
    const { observe } = openTelemetry()({ connection: 'default', transport: 'memory' });
    const handled = (topic: string, dueAt?: number): void =>
      observe!({
        type: 'handled',
        message: {
          id: topic,
          destination: { kind: 'topic', name: topic },
          body: Buffer.from('{}'),
          contentType: 'application/json',
          headers: {},
          publishedAt: now - 2 * hour,
          dueAt,
        },
        source: topic,
        group: 'shop',
        attempt: 1,
        duration: 1,
      });
    handled('m.at-once');
    handled('m.delayed', now - hour);
    const ages = await Promise.all(
      ['m.at-once', 'm.delayed'].map((topic) => recording.sum('nest_messaging.message.age', of(topic))),
    );
    expect(ages.map((seconds) => Math.floor(seconds! / 3_600))).toEqual([2, 1]);
  });

  it('count each message of a batch by what became of it', async () => {
    @Injectable()
    class Rows {
      @OnEvent('m.row', { batch: { size: 3, wait: '10s' }, retry: { attempts: 1 } })
      insert(_: unknown[], batch: BatchContext): void {
        batch.fail(batch.messages[0]!, new TypeError('no'));
      }
    }
    const bus = await run(Rows);
    for (let row = 0; row < 3; row++) await bus.publish('m.row', row);
    const why = { ...of('m.row'), 'error.type': 'TypeError' };
    await eventually('nest_messaging.dead_lettered.messages', why, 1);
    expect(await recording.value('messaging.client.consumed.messages', why)).toBe(1);
    // The batch itself has succeeded.
    expect(await recording.value('messaging.process.duration', why)).toBeUndefined();
    expect(await recording.total('messaging.client.consumed.messages', of('m.row'))).toBe(3);
  });

  it('tell what is in flight and what is pending, while it is', async () => {
    const [checked, begun, release] = [deferred(), deferred(), deferred()];
    @Injectable()
    class Handler {
      @OnEvent('m.slow')
      async on(): Promise<void> {
        begun.resolve();
        await release.promise;
      }
    }
    const bus = await run(Handler);
    const slow = defineEvent('m.slow', {
      schema: {
        '~standard': {
          version: 1,
          vendor: 'test',
          validate: async (value: unknown) => {
            await checked.promise;
            return { value };
          },
        },
      },
    });
    const pending = { 'messaging.destination.name': 'm.slow' };
    const publishing = bus.publish(slow, {});
    expect(await recording.value('nest_messaging.pending.publishes', pending)).toBe(1);
    checked.resolve();
    await publishing;
    expect(await recording.value('nest_messaging.pending.publishes', pending)).toBe(0);
    await begun.promise;
    expect(await recording.value('nest_messaging.in_flight.messages', of('m.slow'))).toBe(1);
    release.resolve();
    await eventually('nest_messaging.in_flight.messages', of('m.slow'), 0);
  });

  it('count what is retried, set aside, discarded and expired, each with its reason', async () => {
    const [busy, release] = [deferred(), deferred()];
    @Injectable()
    class Handler {
      @OnEvent('m.fails', { retry: { attempts: 2, ...AT_ONCE } })
      fail(): void {
        throw new TypeError('no');
      }
      @OnEvent('m.useless')
      discard(): void {
        throw new Discard('of no use');
      }
      @OnEvent('m.late', { concurrency: 1 })
      async late(): Promise<void> {
        busy.resolve();
        await release.promise;
      }
    }
    const bus = await run(Handler);
    await bus.publish('m.fails', {});
    await bus.publish('m.useless', {});
    await bus.publish('m.late', {});
    await busy.promise;
    await bus.publish('m.late', {}, { expiresIn: 1 });
    const why = { 'error.type': 'TypeError' };
    await eventually('nest_messaging.dead_lettered.messages', { ...of('m.fails'), ...why }, 1);
    expect(await recording.value('nest_messaging.retried.messages', { ...of('m.fails'), ...why })).toBe(1);
    await eventually('nest_messaging.discarded.messages', of('m.useless'), 1);
    release.resolve();
    await eventually('nest_messaging.expired.messages', of('m.late'), 1);
  });

  it('of a connection are there before anything happens, so that the first is seen as an increase', async () => {
    await run();
    const connection = { 'nest_messaging.connection': 'default' };
    for (const name of ['gaps', 'disconnections', 'failed.settlements'])
      expect(await recording.value(`nest_messaging.${name}`, connection)).toBe(0);
  });

  it('have attributes that there are few of: a pattern for its topics, and no id', async () => {
    @Injectable()
    class Handler {
      @OnEvent('m.tenant.*')
      on(): void {}
    }
    const bus = await run(Handler);
    for (let tenant = 0; tenant < 20; tenant++) await bus.publish(`m.tenant.${tenant}`, {});
    const pattern = { 'messaging.destination.template': 'm.tenant.*' };
    await eventually('messaging.client.consumed.messages', pattern, 20);
    for (const points of (await recording.metrics()).values())
      for (const attributes of points) {
        expect(Object.keys(attributes).filter((name) => name.includes('.message.'))).toEqual([]);
        if ('messaging.consumer.group.name' in attributes)
          expect(attributes['messaging.destination.name'] ?? '').not.toMatch(/tenant/);
      }
  });
});
