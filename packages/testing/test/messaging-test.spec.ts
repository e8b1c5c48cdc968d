import 'reflect-metadata';
import { afterEach, describe, expect, it } from '@jest/globals';
import { Injectable, Module, type INestApplicationContext, type OnModuleInit } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  BatchContext,
  DeadLetter,
  defineEvent,
  EventBus,
  MessageContext,
  MessagingModule,
  OnEvent,
  OnQueue,
  Subscriptions,
  type Broker,
  type CircuitBreaker,
} from '@nest-messaging/core';
import { memory } from '@nest-messaging/core';
import { messagingTest, type MessagingTest } from '@nest-messaging/testing';

const OrderPlaced = defineEvent<{ id: string; total: number }>('order.placed', { key: ({ id }) => id });

const apps: INestApplicationContext[] = [];
afterEach(async () => {
  for (const app of apps.splice(0)) await app.close();
});

/** Starts an application of one provider class. */
async function start(
  provider: new (...args: any[]) => object,
  broker: Broker = memory(),
): Promise<{ messaging: MessagingTest; app: INestApplicationContext; bus: EventBus }> {
  @Module({ imports: [MessagingModule.forRoot({ service: 'shop', broker })], providers: [provider] })
  class AppModule {}

  const messaging = messagingTest();
  const app = await Test.createTestingModule({ imports: [messaging.module, AppModule] })
    .setLogger(false as never)
    .compile();
  apps.push(app);
  await app.init();
  return { messaging, app, bus: app.get(EventBus) };
}

describe('messagingTest', () => {
  it('waits until what was published, and what that published, is handled', async () => {
    const handled: string[] = [];

    @Injectable()
    class Shop {
      constructor(private readonly bus: EventBus) {}

      @OnEvent(OrderPlaced)
      async place(order: { id: string }) {
        handled.push(`placed ${order.id}`);
        await this.bus.enqueue('parcels', { order: order.id });
      }

      @OnQueue('parcels')
      pack(parcel: { order: string }) {
        handled.push(`packed ${parcel.order}`);
      }
    }

    const { messaging, bus } = await start(Shop);
    await bus.publish(OrderPlaced, { id: 'o1', total: 5 });
    expect(handled).toEqual([]);
    await messaging.settled();
    expect(handled).toEqual(['placed o1', 'packed o1']);
  });

  it('lets batches fill, and those that do not be handed over', async () => {
    const batches: number[][] = [];

    @Injectable()
    class Rows {
      @OnEvent('row', { ordered: true, batch: { size: 2, wait: '1m' } })
      insert(rows: number[], batch: BatchContext) {
        batches.push(rows);
        if (batches.length === 1) batch.fail(batch.messages[0]!, new Error('not yet'));
      }
    }

    const { messaging, bus } = await start(Rows);
    for (const n of [1, 2, 3]) await bus.publish('row', n, { key: 'k' });
    await messaging.settled();
    // The second stands behind the first, which is tried again.
    expect(batches).toEqual([[1, 2], [1, 2], [3]]);
  });

  it('lets retries of minutes and messages delayed by days take no time', async () => {
    const at: number[] = [];

    @Injectable()
    class Flaky {
      constructor(private readonly bus: EventBus) {}

      @OnEvent('payment.due', { retry: { attempts: 4, backoff: { initial: '5m', max: '1h', jitter: 0 } } })
      async pay(_: unknown, context: MessageContext) {
        at.push(context.receivedAt.getTime());
        if (context.attempt < 4) throw new Error('bank is closed');
        await this.bus.publish('payment.reminder', {}, { delay: '7d' });
      }

      @OnEvent('payment.reminder')
      remind(_: unknown, context: MessageContext) {
        at.push(context.receivedAt.getTime());
      }
    }

    const { messaging, bus } = await start(Flaky);
    const began = performance.now();
    await bus.publish('payment.due', {});
    await messaging.settled();
    expect(at.slice(1).map((time, i) => time - at[i]!)).toEqual([
      300_000,
      600_000,
      1_200_000,
      7 * 86_400_000,
    ]);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  it('waits for handlers that take real time, and lets none of their time-outs pass', async () => {
    const done: string[] = [];

    @Injectable()
    class Slow {
      @OnEvent('report.wanted', { timeout: '1s' })
      async write() {
        await new Promise((resolve) => setTimeout(resolve, 50));
        done.push('written');
      }

      @OnEvent('report.wanted', { group: 'retrying', retry: { backoff: { initial: '1h' } } })
      fail(_: unknown, { attempt }: MessageContext) {
        if (attempt === 1) throw new Error('once');
        done.push('retried');
      }
    }

    const { messaging, bus } = await start(Slow);
    await bus.publish('report.wanted', {});
    await messaging.settled();
    expect(done).toEqual(['written', 'retried']);
  });

  it('retries ordered messages in place', async () => {
    const seen: string[] = [];

    @Injectable()
    class InOrder {
      @OnEvent('step', { ordered: true, retry: { backoff: { initial: '10m', jitter: 0 } } })
      step(text: string, { attempt }: MessageContext) {
        seen.push(text);
        if (text === 'a1' && attempt < 3) throw new Error('not yet');
      }
    }

    const { messaging, bus } = await start(InOrder);
    for (const text of ['a1', 'a2', 'b1']) await bus.publish('step', text, { key: text[0]! });
    await messaging.settled();
    expect(seen).toEqual(['a1', 'b1', 'a1', 'a1', 'a2']);
  });

  it('shows what was published, by contract and by name', async () => {
    @Injectable()
    class Nobody {}
    const { messaging, bus } = await start(Nobody);
    await bus.publish(OrderPlaced, { id: 'o1', total: 5 }, { headers: { tenant: 't1' } });
    await bus.enqueue('parcels', { order: 'o1' });
    const total: number = messaging.published(OrderPlaced)[0]!.payload.total;
    expect(total).toBe(5);
    expect(messaging.published(OrderPlaced)).toMatchObject([
      { to: { kind: 'topic', name: 'order.placed' }, key: 'o1', headers: { tenant: 't1' } },
    ]);
    expect(messaging.published('parcels')).toMatchObject([{ payload: { order: 'o1' } }]);
    expect(messaging.published()).toHaveLength(2);
    messaging.forget();
    expect(messaging.published()).toEqual([]);
  });

  it('shows dead letters with their payloads', async () => {
    @Injectable()
    class Strict {
      @OnEvent(OrderPlaced)
      refuse() {
        throw new DeadLetter('no such customer');
      }
    }

    const { messaging, bus } = await start(Strict);
    await bus.publish(OrderPlaced, { id: 'o1', total: 5 });
    await messaging.settled();
    expect(await messaging.deadLetters({ topic: OrderPlaced })).toMatchObject([
      { payload: { id: 'o1', total: 5 }, attempts: 1, failure: { message: 'no such customer' } },
    ]);
  });

  it('names the handlers that never end, and moves on when their time is up', async () => {
    let signal: AbortSignal | undefined;

    @Injectable()
    class Hanging {
      @OnEvent('hang', { timeout: '5m', retry: { attempts: 1 } })
      hang(_: unknown, context: MessageContext) {
        signal = context.signal;
        return new Promise(() => {});
      }
    }

    const { messaging, bus } = await start(Hanging);
    await bus.publish('hang', {}, { messageId: 'm1' });
    await expect(messaging.settled(50)).rejects.toThrow("still handled: 'hang' in group 'shop' (message m1)");
    await messaging.clock.advance('5m');
    expect(signal!.aborted).toBe(true);
    await messaging.settled();
    expect(await messaging.deadLetters({ topic: 'hang' })).toMatchObject([
      { failure: { code: 'HANDLER_TIMEOUT' } },
    ]);
  });

  it('says so when messages never end', async () => {
    @Injectable()
    class Circle {
      constructor(private readonly bus: EventBus) {}

      @OnEvent('round')
      again() {
        return this.bus.publish('round', {});
      }
    }

    const { messaging, bus, app } = await start(Circle);
    await bus.publish('round', {});
    await expect(messaging.settled(50)).rejects.toThrow(/messages kept coming|still handled/);
    await app.close();
    apps.length = 0;
  });

  it('says so when a circuit stays open, which is probed for ever', async () => {
    let open = (): void => undefined;
    const breaker: CircuitBreaker = {
      onBreak(listener) {
        open = listener;
        return { dispose() {} };
      },
      onReset: () => ({ dispose() {} }),
      execute: (run) => run(),
    };

    @Injectable()
    class Charges implements OnModuleInit {
      constructor(private readonly subscriptions: Subscriptions) {}
      onModuleInit(): void {
        const probe = () => Promise.reject(new Error('503'));
        this.subscriptions.pauseWhileOpen({ topic: 'order.placed' }, breaker, { probe });
      }
      @OnEvent('order.placed')
      charge(): void {}
    }

    const { messaging } = await start(Charges);
    await messaging.settled();
    open();
    await expect(messaging.settled(50)).rejects.toThrow(
      "timers came again and again: the circuit of topic 'order.placed' of group 'shop' stays open",
    );
  });

  it('runs on memory what is configured for a real broker, which is not even opened', async () => {
    let handled = 0;
    @Injectable()
    class Handler {
      @OnEvent('a', { group: 'shop' })
      on(): void {
        handled++;
      }
    }
    const real: Broker = {
      name: 'rabbitmq',
      open() {
        throw new Error('a real broker was opened');
      },
    };
    const { messaging, bus } = await start(Handler, real);
    await bus.publish('a', 1);
    await messaging.settled();
    expect(handled).toBe(1);
  });
});
