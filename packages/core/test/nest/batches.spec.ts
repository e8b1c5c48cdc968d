import { describe, expect, it } from '@jest/globals';
import {
  Inject,
  Injectable,
  ParseArrayPipe,
  Scope,
  UseFilters,
  UseGuards,
  UseInterceptors,
  UsePipes,
  ValidationPipe,
  type ArgumentsHost,
  type CallHandler,
  type ExecutionContext,
} from '@nestjs/common';
import { REQUEST } from '@nestjs/core';
import { Payload } from '@nestjs/microservices';
import { IsInt } from 'class-validator';
import {
  BatchContext,
  defineEvent,
  EventBus,
  OnEvent,
  OnQueue,
  UnsupportedError,
  memory,
  type Broker,
} from '@nest-messaging/core';
import { z } from 'zod';
import { AT_ONCE, compile, eventually, recorder, start, stop } from '../support/application.js';

const Row = defineEvent('row', { schema: z.object({ n: z.number() }) });

describe('a handler of batches', () => {
  it('gets payloads and their context, in one order', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Rows {
      @OnEvent(Row, { batch: { size: 3, wait: '1h' } })
      async insert(rows: { n: number }[], batch: BatchContext): Promise<void> {
        record(rows, batch);
      }
    }
    const { bus, events } = await start({ providers: [Rows] });
    await Promise.all([1, 2, 3].map((n) => bus.publish(Row, { n }, { key: `k${n}` })));
    while (events.filter(({ type }) => type === 'handled').length < 3)
      await new Promise((resolve) => setImmediate(resolve));
    const [[rows, batch]] = calls as [[{ n: number }[], BatchContext]];
    expect(calls).toHaveLength(1);
    expect(batch).toBeInstanceOf(BatchContext);
    expect(batch).toMatchObject({ topic: 'row', group: 'shop', signal: { aborted: false } });
    expect(batch.messages.map(({ key }) => key)).toEqual(rows.map(({ n }) => `k${n}`));
  });

  it('works on a queue, and settles each task by itself', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Mails {
      @OnQueue('mails', { batch: { size: 2, wait: 20 }, retry: { attempts: 2, ...AT_ONCE } })
      send(addresses: string[], batch: BatchContext): void {
        addresses.forEach((address, i) => {
          record(address, batch.messages[i]!.attempt);
          if (address === 'nobody') batch.fail(batch.messages[i]!, new Error('no such address'));
        });
      }
    }
    const { bus, until, deadLetters } = await start({ providers: [Mails] });
    await bus.enqueue('mails', 'somebody');
    await bus.enqueue('mails', 'nobody');
    await until('dead-lettered');
    expect(calls).toEqual([
      ['somebody', 1],
      ['nobody', 1],
      ['nobody', 2],
    ]);
    const letters = async () => (await deadLetters.list({ queue: 'mails' })).letters;
    expect(await eventually(letters, (found) => found.length > 0)).toMatchObject([
      { attempts: 2, failure: { message: 'no such address' } },
    ]);
  });

  it('has guards, interceptors and filters around it once per batch', async () => {
    const { calls, record } = recorder();
    const about = (host: ArgumentsHost): unknown[] => {
      const [payloads, batch] = host.getArgs<[unknown[], BatchContext]>();
      return [host.getType(), payloads.length, host.switchToRpc().getContext<BatchContext>() === batch];
    };
    @Injectable()
    @UseGuards({ canActivate: (context: ExecutionContext) => (record('guard', ...about(context)), true) })
    @UseInterceptors({
      intercept: (context: ExecutionContext, next: CallHandler) => (
        record('interceptor', ...about(context)),
        next.handle()
      ),
    })
    @UseFilters({
      catch(error: Error, host: ArgumentsHost) {
        record('filter', ...about(host));
        throw error;
      },
    })
    class Rows {
      @OnEvent('row', { batch: { size: 2, wait: '1h' }, retry: { attempts: 1 } })
      insert(): void {
        throw new Error('broken');
      }
    }
    const { bus, events } = await start({ providers: [Rows] });
    await Promise.all([bus.publish('row', 1), bus.publish('row', 2)]);
    while (events.filter(({ type }) => type === 'dead-lettered').length < 2)
      await new Promise((resolve) => setImmediate(resolve));
    expect(calls).toEqual([
      ['guard', 'rpc', 2, true],
      ['interceptor', 'rpc', 2, true],
      ['filter', 'rpc', 2, true],
    ]);
  });

  class Order {
    @IsInt()
    n!: number;
  }

  it('is not seen by ValidationPipe, which knows no type of an array’s elements', async () => {
    const { calls, record } = recorder();
    @Injectable()
    @UsePipes(new ValidationPipe({ transform: true }))
    class Rows {
      @OnEvent('row', { batch: { size: 1 } })
      insert(rows: Order[]): void {
        record(rows);
      }
    }
    const { bus, until } = await start({ providers: [Rows] });
    await bus.publish('row', { n: 'no number' });
    await until('handled');
    expect(calls).toEqual([[[{ n: 'no number' }]]]);
  });

  it('can have ParseArrayPipe check its elements, and fails as a whole', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Rows {
      @OnEvent('row', { batch: { size: 2, wait: 20 } })
      insert(@Payload(new ParseArrayPipe({ items: Order })) rows: Order[]): void {
        record(rows.map((row) => row instanceof Order));
      }
    }
    const { bus, events, until } = await start({ providers: [Rows] });
    await bus.publish('row', { n: 1 });
    await until('handled');
    await Promise.all([bus.publish('row', { n: 2 }), bus.publish('row', { n: 'no number' })]);
    await until('dead-lettered');
    expect(calls).toEqual([[[true]]]);
    expect(events.filter(({ type }) => type === 'dead-lettered')).toHaveLength(2);
  });

  it('may live in a request-scoped class, made anew for each batch', async () => {
    const { calls, record } = recorder();
    @Injectable({ scope: Scope.REQUEST })
    class Rows {
      constructor(@Inject(REQUEST) private readonly request: { pattern: string; data: unknown[] }) {}
      @OnEvent('row.*', { batch: { size: 2, wait: '1h' } })
      insert(rows: unknown[]): void {
        record(this, rows.length, this.request.pattern, this.request.data === rows);
      }
    }
    const { bus } = await start({ providers: [Rows] });
    await Promise.all([1, 2, 3, 4].map((n) => bus.publish('row.new', n)));
    while (calls.length < 2) await new Promise((resolve) => setImmediate(resolve));
    expect(calls.map(([, ...seen]) => seen)).toEqual([
      [2, 'row.*', true],
      [2, 'row.*', true],
    ]);
    expect(calls[0]![0]).not.toBe(calls[1]![0]);
  });

  it('publishes in the conversation that all its messages share', async () => {
    @Injectable()
    class Rows {
      constructor(private readonly bus: EventBus) {}
      @OnEvent('row', { batch: { size: 2, wait: '1h' } })
      async insert(): Promise<void> {
        await this.bus.publish('inserted', 0);
      }
    }
    const { bus, until } = await start({ providers: [Rows] });
    await Promise.all([1, 2].map((n) => bus.publish('row', n, { correlationId: 'c' })));
    const { message } = await until('published', (event) => event.message.destination.name === 'inserted');
    expect(message).toMatchObject({ correlationId: 'c', causationId: undefined });
  });

  it('may be a broadcast, whose failures are tried again in place', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Caches {
      @OnEvent('row', {
        broadcast: true,
        batch: { size: 2, wait: 10 },
        retry: { attempts: 2, ...AT_ONCE },
      })
      refresh(rows: unknown[]): void {
        record(...rows);
        throw new Error('broken');
      }
    }
    const { bus, until } = await start({ providers: [Caches] });
    await Promise.all([bus.publish('row', 1), bus.publish('row', 2)]);
    await until('discarded', ({ attempt }) => attempt === 2);
    expect(calls[0]).toEqual([1, 2]);
  });

  it('ends with the application at once while its batch gathers', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Rows {
      @OnEvent('row', { batch: { size: 2, wait: '1h' } })
      insert(rows: unknown[]): void {
        record(rows);
      }
    }
    const { app, bus, events } = await start({ providers: [Rows] });
    await bus.publish('row', 1);
    for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
    await stop(app);
    expect(calls).toEqual([]);
    expect(events.map(({ type }) => type)).toContain('released');
  });

  it('is refused where its batches could be held longer than the broker lets them', async () => {
    const inner = memory();
    const hurried: Broker = {
      name: 'memory',
      open: (environment) => {
        const transport = inner.open(environment);
        return { ...transport, capabilities: { ...transport.capabilities, maxHold: 60_000 } };
      },
    };
    @Injectable()
    class Rows {
      @OnEvent('row', { timeout: '40s', batch: { size: 2 } })
      insert(): void {}
    }
    const app = await compile({ providers: [Rows] }, { service: 'shop', broker: hurried });
    await expect(app.init()).rejects.toThrow(UnsupportedError);
    await expect(app.init()).rejects.toThrow(
      /Rows\.insert .* needs batches that .* lower batch\.wait or timeout/,
    );
  });
});
