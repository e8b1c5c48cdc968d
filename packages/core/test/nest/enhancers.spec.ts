import { beforeEach, describe, expect, it } from '@jest/globals';
import {
  Catch,
  Controller,
  createParamDecorator,
  ForbiddenException,
  Inject,
  Injectable,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type ArgumentsHost,
  type CallHandler,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type NestInterceptor,
  type PipeTransform,
  type Provider,
} from '@nestjs/common';
import {
  APP_FILTER,
  APP_GUARD,
  APP_INTERCEPTOR,
  APP_PIPE,
  ContextIdFactory,
  ModuleRef,
  REQUEST,
  type ContextId,
  type ContextIdStrategy,
  type HostComponentInfo,
} from '@nestjs/core';
import { BaseRpcExceptionFilter, Payload } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import { EMPTY, map, of, throwError, timer, type Observable } from 'rxjs';
import { Discard, MessageContext, OnEvent, RegistrationError } from '@nest-messaging/core';
import { AT_ONCE, compile, start } from '../support/application.js';

@Injectable()
class Deny implements CanActivate {
  canActivate(): boolean {
    return false;
  }
}

const calls: unknown[][] = [];
const record = (...call: unknown[]): void => void calls.push(call);
beforeEach(() => void calls.splice(0));

describe('guards', () => {
  @Injectable()
  @UseGuards(Deny)
  class GuardedProvider {
    @OnEvent('a')
    on(): void {
      record('handled');
    }
  }
  @Controller()
  @UseGuards(Deny)
  class GuardedController {
    @OnEvent('a')
    on(): void {
      record('handled');
    }
  }
  @Injectable()
  class GuardedMethod {
    @OnEvent('a')
    @UseGuards(Deny)
    on(): void {
      record('handled');
    }
  }
  @Injectable()
  class Plain {
    @OnEvent('a')
    on(): void {
      record('handled');
    }
  }
  it.each([
    ['a class that is a provider', { providers: [GuardedProvider] }],
    ['a class that is a controller', { controllers: [GuardedController] }],
    ['a method', { providers: [GuardedMethod] }],
    ['the application', { providers: [Plain, { provide: APP_GUARD, useClass: Deny } satisfies Provider] }],
  ])('on %s refuse: the message is dead-lettered at the first attempt', async (_, metadata) => {
    const { bus, until } = await start(metadata);
    await bus.publish('a', 1);
    const { error, attempt } = await until('dead-lettered');
    expect(error).toBeInstanceOf(ForbiddenException);
    expect(attempt).toBe(1);
    expect(calls).toEqual([]);
  });

  it('refuse and are tried again where the handler says so', async () => {
    @Injectable()
    class Patient {
      @OnEvent('a', { retry: { attempts: 2, never: [], ...AT_ONCE } })
      @UseGuards(Deny)
      on(): void {}
    }
    const { bus, until } = await start({ providers: [Patient] });
    await bus.publish('a', 1);
    expect((await until('dead-lettered')).attempt).toBe(2);
  });

  it("see context type 'rpc', the payload, the context, the class and the method", async () => {
    @Injectable()
    class Look implements CanActivate {
      canActivate(execution: ExecutionContext): boolean {
        const rpc = execution.switchToRpc();
        record(
          execution.getType(),
          rpc.getData(),
          rpc.getContext<MessageContext>().topic,
          execution.getClass().name,
          execution.getHandler().name,
        );
        return true;
      }
    }
    @Controller()
    class Invoices {
      @OnEvent('a')
      @UseGuards(Look)
      bill(): void {}
    }
    const { bus, until } = await start({ controllers: [Invoices] });
    await bus.publish('a', { id: 1 });
    await until('handled');
    expect(calls).toEqual([['rpc', { id: 1 }, 'a', 'Invoices', 'bill']]);
  });

  it('on an instance that Nest did not make are refused at start, since Nest would skip them', async () => {
    const app = await compile({ providers: [{ provide: 'X', useFactory: () => new GuardedProvider() }] });
    await expect(app.init()).rejects.toThrow(RegistrationError);
    await expect(app.init()).rejects.toThrow(
      /GuardedProvider\.on is decorated with Deny, which Nest would not run/,
    );
  });
});

describe('interceptors', () => {
  @Injectable()
  class Around implements NestInterceptor {
    intercept(_: ExecutionContext, next: CallHandler): Observable<unknown> {
      record('before');
      return next.handle().pipe(map((value) => record('after', value)));
    }
  }
  @UseInterceptors(Around)
  class Handler {
    @OnEvent('a')
    async on(): Promise<string> {
      record('handler');
      return 'done';
    }
  }
  @Controller()
  class HandlerController extends Handler {
    @OnEvent('a')
    override async on(): Promise<string> {
      return super.on();
    }
  }
  Injectable()(Handler);

  it.each([
    ['provider', { providers: [Handler] }],
    ['controller', { controllers: [HandlerController] }],
  ])('of a %s surround the handler', async (_, metadata) => {
    const { bus, until } = await start(metadata);
    await bus.publish('a', 1);
    await until('handled');
    expect(calls).toEqual([['before'], ['handler'], ['after', 'done']]);
  });

  it('of the application surround the handler', async () => {
    @Injectable()
    class Plain {
      @OnEvent('a')
      on(): void {
        record('handler');
      }
    }
    const { bus, until } = await start({
      providers: [Plain, { provide: APP_INTERCEPTOR, useClass: Around }],
    });
    await bus.publish('a', 1);
    await until('handled');
    expect(calls).toEqual([['before'], ['handler'], ['after', undefined]]);
  });
});

describe('pipes', () => {
  class Order {
    @IsInt()
    total!: number;
  }
  @Injectable()
  @UsePipes(new ValidationPipe({ transform: true }))
  class Undecorated {
    @OnEvent('a')
    on(order: Order, context: MessageContext): void {
      record(order, context.topic);
    }
  }
  @Injectable()
  class Decorated {
    @OnEvent('a')
    on(@Payload(new ValidationPipe({ transform: true })) order: Order): void {
      record(order, 'a');
    }
  }
  @Injectable()
  class Plain {
    @OnEvent('a')
    on(order: Order, context: MessageContext): void {
      record(order, context.topic);
    }
  }
  const globalPipe = { provide: APP_PIPE, useFactory: () => new ValidationPipe({ transform: true }) };

  it.each([
    ['of the class, on an undecorated payload', [Undecorated]],
    ['of the parameter', [Decorated]],
    ['of the application, on an undecorated payload', [Plain, globalPipe]],
  ])('%s validate and transform; what they refuse is dead-lettered at once', async (_, providers) => {
    const { bus, until } = await start({ providers });
    await bus.publish('a', { total: 3 });
    await until('handled');
    expect(calls[0]![0]).toBeInstanceOf(Order);
    expect(calls).toEqual([[{ total: 3 }, 'a']]);
    await bus.publish('a', { total: 'three' });
    expect((await until('dead-lettered')).attempt).toBe(1);
    expect(calls).toHaveLength(1);
  });

  it('reach custom parameter decorators', async () => {
    const Tenant = createParamDecorator(
      (_, execution: ExecutionContext) =>
        execution.switchToRpc().getContext<MessageContext>().headers['tenant'],
    );
    class Upper implements PipeTransform<string> {
      transform(value: string): string {
        return value.toUpperCase();
      }
    }
    @Injectable()
    class Invoices {
      @OnEvent('a')
      on(_payload: unknown, context: MessageContext, @Tenant(new Upper()) tenant: string): void {
        record(context.topic, tenant);
      }
    }
    const { bus, until } = await start({ providers: [Invoices] });
    await bus.publish('a', 1, { headers: { tenant: 'acme' } });
    await until('handled');
    expect(calls).toEqual([['a', 'ACME']]);
  });
});

describe('filters', () => {
  class Oops extends Error {}
  function handlerWith(filter: ExceptionFilter | (new () => ExceptionFilter), global = false): Provider[] {
    class Plain {
      @OnEvent('a', { retry: { attempts: 2, ...AT_ONCE } })
      on(): void {
        throw new Oops('original');
      }
    }
    if (global)
      return [
        Plain,
        { provide: APP_FILTER, useFactory: () => (typeof filter === 'function' ? new filter() : filter) },
      ];
    UseFilters(filter)(Plain);
    return [Plain];
  }

  it('that return a value have handled the message', async () => {
    @Catch(Oops)
    class Handles implements ExceptionFilter {
      catch(error: Oops, host: ArgumentsHost): string {
        record(error.message, host.getType(), host.switchToRpc().getData());
        return 'handled';
      }
    }
    const { bus, until } = await start({ providers: handlerWith(Handles) });
    await bus.publish('a', 5);
    await until('handled');
    expect(calls).toEqual([['original', 'rpc', 5]]);
  });

  it.each<[string, ExceptionFilter['catch']]>([
    ['only look on', () => undefined],
    [
      'throw an error of their own',
      () => {
        throw new Error('another');
      },
    ],
    [
      'return an Observable that errors, as RPC filters do',
      () => throwError(() => ({ status: 'error', message: 'Internal' })),
    ],
  ])('that %s leave the decision to the original error', async (_, body) => {
    @Catch()
    class Filter implements ExceptionFilter {
      catch = body;
    }
    const { bus, until } = await start({ providers: handlerWith(Filter) });
    await bus.publish('a', 1);
    const { error, attempt } = await until('dead-lettered');
    expect([(error as Error).message, attempt]).toEqual(['original', 2]);
  });

  it("are Nest's own BaseRpcExceptionFilter for the whole application: failures stay failures", async () => {
    const { bus, until } = await start({
      providers: handlerWith(new BaseRpcExceptionFilter() as never, true),
    });
    await bus.publish('a', 1);
    expect(((await until('dead-lettered')).error as Error).message).toBe('original');
  });

  it('that throw an outcome decide it', async () => {
    @Catch(Oops)
    class Decide implements ExceptionFilter {
      catch(): never {
        throw new Discard('not ours');
      }
    }
    const { bus, until } = await start({ providers: handlerWith(Decide) });
    await bus.publish('a', 1);
    expect((await until('discarded')).error).toBeInstanceOf(Discard);
  });
});

describe('a returned Observable', () => {
  it.each([
    ['completes with a value', of(1), 'handled'],
    ['completes without a value', EMPTY, 'handled'],
    ['completes later', timer(1), 'handled'],
    ['errors', throwError(() => new Error('late')), 'dead-lettered'],
  ] as const)('is awaited: it %s', async (_, observable, outcome) => {
    @Injectable()
    class Handler {
      @OnEvent('a', { retry: { attempts: 1 } })
      on(): Observable<unknown> {
        return observable;
      }
    }
    const { bus, until } = await start({ providers: [Handler] });
    await bus.publish('a', 1);
    await until(outcome);
  });
});

describe('request scope', () => {
  it('makes providers and controllers anew for each message, with the message as REQUEST', async () => {
    @Injectable({ scope: Scope.REQUEST })
    class Unit {
      readonly id = Math.random();
    }
    @Injectable({ scope: Scope.REQUEST })
    class ScopedGuard implements CanActivate {
      constructor(private readonly unit: Unit) {}
      canActivate(): boolean {
        record('guard', this.unit.id);
        return true;
      }
    }
    @Controller({ scope: Scope.REQUEST })
    @UseGuards(ScopedGuard)
    class Handler {
      constructor(
        private readonly unit: Unit,
        @Inject(REQUEST) private readonly request: { data: unknown; context: MessageContext },
      ) {}
      @OnEvent('a')
      on(payload: unknown, context: MessageContext): void {
        record('handler', this.unit.id, this.request.data === payload, this.request.context === context);
      }
    }
    const { bus, events, until } = await start({ controllers: [Handler], providers: [Unit] });
    await bus.publish('a', { n: 1 });
    await until('handled');
    await bus.publish('a', { n: 2 });
    await until('handled', () => events.filter(({ type }) => type === 'handled').length === 2);
    const ids = calls.map(([, id]) => id);
    expect(ids[0]).toBe(ids[1]);
    expect(ids[2]).toBe(ids[3]);
    expect(ids[0]).not.toBe(ids[2]);
    expect(calls.filter(([who]) => who === 'handler').map((call) => call.slice(2))).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it.each([
    ['request', Scope.REQUEST],
    ['transient', Scope.TRANSIENT],
  ])('of the application itself: its %s-scoped guard is whole around a provider', async (_, scope) => {
    @Injectable()
    class Rights {
      readonly granted = true;
    }
    @Injectable({ scope })
    class GlobalGuard implements CanActivate {
      constructor(private readonly rights: Rights) {}
      canActivate(): boolean {
        record('guard', this.rights.granted);
        return this.rights.granted;
      }
    }
    @Injectable()
    class Handler {
      @OnEvent('a', { retry: { attempts: 1 } })
      on(payload: unknown): void {
        record('handler', payload);
      }
    }
    const { bus, until } = await start({
      providers: [Rights, Handler, { provide: APP_GUARD, useClass: GlobalGuard, scope }],
    });
    await bus.publish('a', 1);
    await until('handled');
    expect(calls).toEqual([
      ['guard', true],
      ['handler', 1],
    ]);
  });

  it('gives what lives as long as its tenant the tenant as REQUEST, and knows its context by the message', async () => {
    const tenants = new Map<string, ContextId>();
    const strategy: ContextIdStrategy = {
      attach(contextId, { data: { tenant } }: { data: { tenant: string } }) {
        const known = tenants.get(tenant) ?? { id: tenants.size + 1_000 };
        tenants.set(tenant, known);
        return {
          resolve: (info: HostComponentInfo) => (info.isTreeDurable ? known : contextId),
          payload: { tenant },
        };
      },
    };
    ContextIdFactory.apply(strategy);
    try {
      @Injectable({ scope: Scope.REQUEST, durable: true })
      class Tenant {
        constructor(@Inject(REQUEST) readonly request: unknown) {}
      }
      @Injectable({ scope: Scope.REQUEST })
      class Unit {
        constructor(@Inject(REQUEST) readonly request: { data: unknown }) {}
      }
      @Injectable({ scope: Scope.REQUEST })
      class Handler {
        constructor(
          private readonly tenant: Tenant,
          private readonly unit: Unit,
          private readonly modules: ModuleRef,
        ) {}
        @OnEvent('a')
        async on(payload: unknown): Promise<void> {
          const contextId = ContextIdFactory.getByRequest(this.unit.request);
          const again = await this.modules.resolve(Unit, contextId);
          record(this.tenant.request, this.unit.request.data === payload, again === this.unit);
        }
      }
      const { bus, events, until } = await start({ providers: [Tenant, Unit, Handler] });
      for (const tenant of ['one', 'two', 'one']) await bus.publish('a', { tenant });
      await until('handled', () => events.filter(({ type }) => type === 'handled').length === 3);
      expect(calls.map((call) => JSON.stringify(call)).toSorted()).toEqual([
        '[{"tenant":"one"},true,true]',
        '[{"tenant":"one"},true,true]',
        '[{"tenant":"two"},true,true]',
      ]);
    } finally {
      ContextIdFactory.apply(undefined as never);
    }
  });
});
