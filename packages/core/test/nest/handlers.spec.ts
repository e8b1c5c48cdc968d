import { describe, expect, it } from '@jest/globals';
import { Controller, Injectable, Module, Scope } from '@nestjs/common';
import { Ctx, Payload } from '@nestjs/microservices';
import { MessageContext, MessagingModule, OnEvent, OnQueue, RegistrationError } from '@nest-messaging/core';
import { compile, start, recorder } from '../support/application.js';

describe('a decorated method', () => {
  it('gets the payload and the context', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Invoices {
      @OnEvent('order.placed')
      bill(order: unknown, context: MessageContext): void {
        record(order, context);
      }
    }
    const { bus, until } = await start({ providers: [Invoices] });
    await bus.publish(
      'order.placed',
      { id: 1 },
      { key: 'k', headers: { tenant: 'a' }, messageId: 'm', correlationId: 'c' },
    );
    await until('handled');
    const [payload, context] = calls[0] as [unknown, MessageContext];
    expect(payload).toEqual({ id: 1 });
    expect(context).toBeInstanceOf(MessageContext);
    expect(context).toMatchObject({
      id: 'm',
      topic: 'order.placed',
      group: 'shop',
      key: 'k',
      headers: { tenant: 'a' },
      attempt: 1,
      correlationId: 'c',
      causationId: undefined,
    });
    expect(context.publishedAt).toBeInstanceOf(Date);
    expect(context.receivedAt.getTime()).toBeGreaterThanOrEqual(context.publishedAt!.getTime());
    expect(context.signal.aborted).toBe(false);
  });

  it('gets what @Payload() and @Ctx() of @nestjs/microservices ask for', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Invoices {
      @OnEvent('order.placed')
      bill(@Ctx() context: MessageContext, @Payload() order: unknown, @Payload('id') id: unknown): void {
        record(context.topic, order, id);
      }
    }
    const { bus, until } = await start({ providers: [Invoices] });
    await bus.publish('order.placed', { id: 7 });
    await until('handled');
    expect(calls).toEqual([['order.placed', { id: 7 }, 7]]);
  });

  it('may handle several topics, patterns and queues, on providers and controllers', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Audit {
      @OnEvent('order.*')
      @OnEvent('payment.failed')
      @OnQueue('audit')
      note(_: unknown, { topic }: MessageContext): void {
        record('provider', topic);
      }
    }
    @Controller()
    class AuditController {
      @OnEvent('order.placed', { group: 'http' })
      note(_: unknown, { topic }: MessageContext): void {
        record('controller', topic);
      }
    }
    const { bus, events, until } = await start({ providers: [Audit], controllers: [AuditController] });
    await bus.publish('order.placed', 1);
    await bus.publish('payment.failed', 1);
    await bus.enqueue('audit', 1);
    await until('handled', () => events.filter(({ type }) => type === 'handled').length === 4);
    expect(calls.toSorted()).toEqual([
      ['controller', 'order.placed'],
      ['provider', 'audit'],
      ['provider', 'order.placed'],
      ['provider', 'payment.failed'],
    ]);
  });

  it('is found where it is inherited, and not where an override is undecorated', async () => {
    const { calls, record } = recorder();
    class Base {
      @OnEvent('a')
      onA(): void {
        record('a', this.constructor.name);
      }
      @OnEvent('b')
      onB(): void {
        record('base b');
      }
    }
    @Injectable()
    class Derived extends Base {
      override onB(): void {
        record('derived b');
      }
      @OnEvent('c')
      onC(): void {
        record('c');
      }
    }
    const { bus, until } = await start({ providers: [Derived] });
    await bus.publish('b', 1);
    await bus.publish('a', 1);
    await bus.publish('c', 1);
    await until('handled', ({ message }) => message.destination.name === 'c');
    expect(calls).toEqual([['a', 'Derived'], ['c']]);
  });

  it('is registered once where its class has an alias', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Invoices {
      @OnEvent('order.placed')
      bill(): void {
        record();
      }
    }
    const { bus, until } = await start({
      providers: [Invoices, { provide: 'ALIAS', useExisting: Invoices }],
    });
    await bus.publish('order.placed', 1);
    await until('handled');
    expect(calls).toHaveLength(1);
  });

  it('is called on an instance that useFactory or useValue gave', async () => {
    const { calls, record } = recorder();
    class Invoices {
      constructor(readonly name: string) {}
      @OnEvent('order.placed', { group: 'a' })
      bill(): void {
        record(this.name);
      }
    }
    class Others extends Invoices {
      @OnEvent('order.placed', { group: 'b' })
      override bill(): void {
        record(this.name);
      }
    }
    const { bus, events, until } = await start({
      providers: [
        { provide: 'F', useFactory: () => new Invoices('factory') },
        { provide: 'V', useValue: new Others('value') },
      ],
    });
    await bus.publish('order.placed', 1);
    await until('handled', () => events.filter(({ type }) => type === 'handled').length === 2);
    expect(calls.toSorted()).toEqual([['factory'], ['value']]);
  });

  it('competes with no other of its group', async () => {
    @Injectable()
    class Invoices {
      @OnEvent('order.placed')
      bill(): void {}
      @OnEvent('order.placed')
      again(): void {}
    }
    const app = await compile({ providers: [Invoices] });
    await expect(app.init()).rejects.toThrow(
      new RegistrationError(
        "Invoices.bill and Invoices.again both handle topic 'order.placed' of group 'shop': only one would get each message; give one of them { group: … }",
      ),
    );
  });

  it('is refused on a transient class, which has no one instance', async () => {
    @Injectable({ scope: Scope.TRANSIENT })
    class Invoices {
      @OnEvent('order.placed')
      bill(): void {}
    }
    const app = await compile({ providers: [Invoices] });
    await expect(app.init()).rejects.toThrow(/Invoices\.bill .* transient/);
  });

  it('takes its default group from forFeature of its Nest module', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Charge {
      @OnEvent('order.placed')
      charge(_: unknown, { group }: MessageContext): void {
        record(group);
      }
    }
    @Module({ imports: [MessagingModule.forFeature({ group: 'payments' })], providers: [Charge] })
    class PaymentsModule {}
    const { bus, until } = await start({ imports: [PaymentsModule] });
    await bus.publish('order.placed', 1);
    await until('handled');
    expect(calls).toEqual([['payments']]);
  });
});
