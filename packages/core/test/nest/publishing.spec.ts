import { describe, expect, it } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import type { StandardSchemaV1 } from '@standard-schema/spec';
import { type } from 'arktype';
import * as v from 'valibot';
import { z } from 'zod';
import {
  DeadLetter,
  defineEvent,
  Discard,
  EventBus,
  HandlerTimeoutError,
  InvalidPayloadError,
  memory,
  MessageContext,
  OnEvent,
  OverloadError,
  PublishAllError,
  PublishTimeoutError,
  RetryLater,
  type Broker,
} from '@nest-messaging/core';
import { deferred } from '../../src/engine/deferred.js';
import { AT_ONCE, eventually, recorder, start } from '../support/application.js';

const OrderPlaced = defineEvent('order.placed', {
  schema: v.object({ id: v.string(), at: v.pipe(v.string(), v.isoTimestamp(), v.toDate()) }),
  key: (order) => order.id,
  version: '2',
});

describe('a contract', () => {
  it('sends the input and hands the output to handlers, with its key and version', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Invoices {
      @OnEvent(OrderPlaced)
      bill(order: { id: string; at: Date }, { key }: MessageContext): void {
        record(order, key);
      }
    }
    const { bus, events, until } = await start({ providers: [Invoices] });
    const payload = Object.freeze({ id: 'o1', at: '2026-01-02T03:04:05Z' });
    await bus.publish(OrderPlaced, payload);
    await until('handled');
    expect(calls).toEqual([[{ id: 'o1', at: new Date('2026-01-02T03:04:05Z') }, 'o1']]);
    const { message } = await until('published');
    expect(JSON.parse(Buffer.from(message.body).toString())).toEqual(payload);
    expect(message.version).toBe('2');
    expect(events.filter(({ type }) => type === 'handled')).toHaveLength(1);
  });

  it.each([
    ['zod', z.object({ id: z.string(), n: z.string().transform(Number) })],
    ['valibot', v.object({ id: v.string(), n: v.pipe(v.string(), v.transform(Number)) })],
    ['arktype', type({ id: 'string', n: 'string.numeric.parse' })],
  ])('may have a schema of %s', async (_, schema) => {
    const Counted = defineEvent('counted', { schema });
    const { calls, record } = recorder();
    @Injectable()
    class Counter {
      @OnEvent(Counted)
      count(payload: { id: string; n: number }): void {
        record(payload);
      }
    }
    const { bus, until } = await start({ providers: [Counter] });
    await bus.publish(Counted, { id: 'a', n: '5' });
    await until('handled');
    expect(calls).toEqual([[{ id: 'a', n: 5 }]]);
    await expect(bus.publish(Counted, { id: 5 } as never)).rejects.toBeInstanceOf(InvalidPayloadError);
  });

  it('refuses a payload that does not fit, before anything is sent, and names no value', async () => {
    const { bus, events } = await start({});
    const refusal = bus.publish(OrderPlaced, { id: 5, at: 'secret' } as never);
    await expect(refusal).rejects.toBeInstanceOf(InvalidPayloadError);
    await expect(refusal).rejects.toMatchObject({ issues: [{ path: 'id' }, { path: 'at' }] });
    expect(events.filter(({ type }) => type === 'published')).toEqual([]);
  });

  it.each([
    [
      'zod',
      z.object({ counts: z.record(z.string(), z.number()), lines: z.array(z.object({ n: z.number() })) }),
    ],
    [
      'valibot',
      v.object({ counts: v.record(v.string(), v.number()), lines: v.array(v.object({ n: v.number() })) }),
    ],
    ['arktype', type({ counts: { '[string]': 'number' }, lines: type({ n: 'number' }).array() })],
  ])('names the fields of %s that do not fit, and no key that may be a value', async (_, schema) => {
    const { bus } = await start({});
    const keys = ['john@example.com', '4915112345678', 'sk_live_51H8xK29Az'];
    const counts = Object.fromEntries(keys.map((key) => [key, 'x']));
    const payload = { counts, lines: [{ n: 1 }, { n: 'x' }] };
    const refusal = bus.publish(defineEvent('counted', { schema }), payload as never);
    const error = (await refusal.catch((thrown: unknown) => thrown)) as InvalidPayloadError;
    expect(error.message).toBe("the payload does not fit the schema of 'counted' at 'counts.…', 'lines.1.n'");
    const paths = error.issues.map(({ path }) => path);
    expect(paths.toSorted()).toEqual([...keys.map(() => 'counts.…'), 'lines.1.n']);
  });

  it('names five paths that do not fit, and how many more there are', async () => {
    const { bus } = await start({});
    const fields = ['a', 'b', 'c', 'd', 'e', 'f', 'g'];
    const schema = z.object(Object.fromEntries(fields.map((field) => [field, z.number()])));
    await expect(bus.publish(defineEvent('counted', { schema }), {})).rejects.toThrow(
      /'counted' at 'a', 'b', 'c', 'd', 'e' and 2 more$/,
    );
  });

  it('dead-letters what does not fit at the first attempt', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Invoices {
      @OnEvent(OrderPlaced)
      bill(): void {
        record();
      }
    }
    const { bus, until, deadLetters } = await start({ providers: [Invoices] });
    await bus.publish('order.placed', { id: 'o1' });
    expect(await until('dead-lettered')).toMatchObject({
      attempt: 1,
      error: expect.any(InvalidPayloadError),
    });
    expect(calls).toEqual([]);
    expect(
      await eventually(
        () => deadLetters.list({ topic: OrderPlaced }),
        ({ letters }) => letters.length > 0,
      ),
    ).toMatchObject({ letters: [{ failure: { name: 'InvalidPayloadError' }, attempts: 1 }] });
  });
});

describe('correlation', () => {
  it('passes from a handled message to what its handler publishes, through timers and promises', async () => {
    @Injectable()
    class Chain {
      constructor(private readonly bus: EventBus) {}
      @OnEvent('a')
      async onA(): Promise<void> {
        await new Promise((resolve) => setTimeout(resolve, 1));
        await this.bus.publish('b', 1);
      }
      @OnEvent('b')
      async onB(): Promise<void> {
        await this.bus.publish('c', 1);
      }
      @OnEvent('c')
      onC(): void {}
    }
    const { bus, events, until } = await start({ providers: [Chain] });
    await bus.publish('a', 1, { correlationId: 'conversation' });
    await until('handled', ({ message }) => message.destination.name === 'c');
    const sent = events.flatMap((event) => (event.type === 'published' ? [event.message] : []));
    expect(sent.map(({ correlationId }) => correlationId)).toEqual([
      'conversation',
      'conversation',
      'conversation',
    ]);
    expect(sent.map(({ causationId }) => causationId)).toEqual([undefined, sent[0]!.id, sent[1]!.id]);
  });

  it('begins with the first message where none was given', async () => {
    @Injectable()
    class Chain {
      constructor(private readonly bus: EventBus) {}
      @OnEvent('a')
      onA(): Promise<void> {
        return this.bus.publish('b', 1);
      }
    }
    const { bus, until } = await start({ providers: [Chain] });
    await bus.publish('a', 1, { messageId: 'first' });
    const { message } = await until('published', (event) => event.message.destination.name === 'b');
    expect(message.correlationId).toBe('first');
  });
});

describe('a handler that fails', () => {
  function failing(error: () => unknown, options = {}) {
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('a', { retry: { attempts: 3, ...AT_ONCE }, ...options })
      on(_: unknown, { attempt }: MessageContext): void {
        record(attempt);
        const thrown = error();
        if (thrown !== 'no error') throw thrown;
      }
    }
    return { calls, providers: [Handler] };
  }

  it.each([
    ['an Error', new Error('x')],
    ['text', 'x'],
    ['undefined', undefined],
    ['a frozen object', Object.freeze({})],
  ])(
    'by throwing %s is tried as often as configured, then the message is dead-lettered',
    async (_, error) => {
      const { calls, providers } = failing(() => error);
      const { bus, until } = await start({ providers });
      await bus.publish('a', 1);
      await until('dead-lettered');
      expect(calls).toEqual([[1], [2], [3]]);
    },
  );

  it('may say when to try again', async () => {
    let failures = 0;
    const { providers } = failing(() => (failures++ === 0 ? new RetryLater(2) : 'no error'));
    const { bus, until } = await start({ providers });
    await bus.publish('a', 1);
    expect((await until('retried')).delay).toBe(2);
    await until('handled');
  });

  it('may give up at once, or throw the message away', async () => {
    const outcomes: Record<string, Error> = {
      give: new DeadLetter('hopeless'),
      drop: new Discard('useless'),
    };
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(which: string): void {
        throw outcomes[which]!;
      }
    }
    const { bus, until, deadLetters } = await start({ providers: [Handler] });
    await bus.publish('a', 'give');
    await bus.publish('a', 'drop');
    expect((await until('dead-lettered')).attempt).toBe(1);
    expect((await until('discarded')).attempt).toBe(1);
    expect(
      await eventually(
        () => deadLetters.list({ topic: 'a' }),
        ({ letters }) => letters.length > 0,
      ),
    ).toMatchObject({ letters: [{ failure: { message: 'hopeless' } }] });
  });

  it('with an error of `never` is not tried again', async () => {
    const { calls, providers } = failing(() => new TypeError('x'), {
      retry: { attempts: 3, never: [TypeError] },
    });
    const { bus, until } = await start({ providers });
    await bus.publish('a', 1);
    await until('dead-lettered');
    expect(calls).toEqual([[1]]);
  });

  it('leaves no dead letter where the handler wants none', async () => {
    const { providers } = failing(() => new Error('x'), { deadLetter: false, retry: { attempts: 1 } });
    const { bus, until, deadLetters } = await start({ providers });
    await bus.publish('a', 1);
    await until('discarded');
    await expect(deadLetters.list({ topic: 'a' })).resolves.toEqual({ letters: [] });
  });

  it('by running too long has its signal aborted, and others go on', async () => {
    const aborted = deferred<unknown>();
    @Injectable()
    class Handler {
      @OnEvent('a', { timeout: 5, concurrency: 1, retry: { attempts: 1 } })
      async on(payload: string, { signal }: MessageContext): Promise<void> {
        if (payload === 'quick') return;
        signal.addEventListener('abort', () => aborted.resolve(signal.reason));
        await new Promise(() => undefined);
      }
    }
    const { bus, until } = await start({ providers: [Handler] });
    await bus.publish('a', 'stuck');
    await bus.publish('a', 'quick');
    await until('handled');
    expect(await aborted.promise).toBeInstanceOf(HandlerTimeoutError);
    expect((await until('dead-lettered')).error).toBeInstanceOf(HandlerTimeoutError);
  });
});

describe('a publish that the broker does not confirm', () => {
  /** A memory broker that accepts nothing until it is let. */
  function stalled({ givesUp = true } = {}): Broker & { release(): void } {
    const inner = memory();
    const gate = deferred();
    return {
      name: 'memory',
      release: () => gate.resolve(),
      open(environment) {
        const transport = inner.open(environment);
        return {
          ...transport,
          publish: async (message, signal) => {
            await new Promise<void>((resolve, reject) => {
              if (givesUp) signal.addEventListener('abort', () => reject(signal.reason as Error));
              void gate.promise.then(resolve);
            });
            return transport.publish(message, signal);
          },
        };
      },
    };
  }

  it('rejects within its time: the outcome is unknown, and the error says how to repeat it', async () => {
    const { bus } = await start({}, { broker: stalled(), publish: { timeout: 250 } });
    const refusal = bus.publish('a', 1, { messageId: 'm1' });
    await expect(refusal).rejects.toBeInstanceOf(PublishTimeoutError);
    await expect(refusal).rejects.toMatchObject({
      retryable: true,
      message: expect.stringContaining("same messageId ('m1')"),
    });
  });

  it('blames its schema, and not the room, where that took the time', async () => {
    const slow: StandardSchemaV1<unknown, unknown> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: (value) => new Promise((resolve) => setTimeout(() => resolve({ value }), 95)),
      },
    };
    const { bus } = await start({}, { publish: { timeout: 100 } });
    await expect(bus.publish(defineEvent('slow', { schema: slow }), 1)).rejects.toMatchObject({
      code: 'OVERLOAD',
      message: expect.stringContaining('the schema did not answer'),
    });
  });

  it('names to each of those that began together its own messageId', async () => {
    const { bus } = await start({}, { broker: stalled(), publish: { timeout: 250 } });
    const ids = ['m1', 'm2', 'm3'];
    const refusals = ids.map((messageId) => bus.publish('a', 1, { messageId }));
    await Promise.all(
      refusals.map((refusal, which) =>
        expect(refusal).rejects.toMatchObject({
          code: 'PUBLISH_TIMEOUT',
          message: expect.stringContaining(`same messageId ('${ids[which]}')`),
        }),
      ),
    );
  });

  it('holds its place: beyond the limit callers wait, then get the overload error', async () => {
    const broker = stalled({ givesUp: false });
    const { bus } = await start({}, { broker, publish: { maxPending: 1, timeout: 250 } });
    const first = bus.publish('a', 1);
    await expect(bus.publish('a', 2)).rejects.toBeInstanceOf(OverloadError);
    broker.release();
    await expect(first).rejects.toBeInstanceOf(PublishTimeoutError);
  });

  it('ends when the caller gives up, and no other with it', async () => {
    const broker = stalled();
    const { bus } = await start({}, { broker });
    const impatient = new AbortController();
    const refusal = bus.publish('a', 1, { signal: impatient.signal });
    const patient = bus.publish('a', 2);
    impatient.abort(new Error('enough'));
    await expect(refusal).rejects.toThrow('enough');
    broker.release();
    await patient;
  });
});

describe('publishAll', () => {
  it('publishes many, and tells which were refused after trying all', async () => {
    const { bus, events } = await start({});
    await bus.publishAll('a', [1, 2, 3]);
    const refusal = bus.publishAll('a', [4, undefined, 6]);
    await expect(refusal).rejects.toBeInstanceOf(PublishAllError);
    await expect(refusal).rejects.toMatchObject({ failures: [{ index: 1 }], retryable: false });
    expect(events.filter(({ type }) => type === 'published')).toHaveLength(5);
  });
});

describe('a delay', () => {
  it('tells when a message was due, and nothing of one that is published at once', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(which: unknown): void {
        record(which);
      }
    }
    const { bus, events } = await start({ providers: [Handler] });
    await bus.publish('a', 'at once');
    await bus.publish('a', 'later', { delay: 20 });
    await eventually(
      async () => calls.length,
      (count) => count === 2,
    );
    const waits = events.flatMap((event) =>
      event.type === 'attempted'
        ? [event.message.dueAt && event.message.dueAt - event.message.publishedAt!]
        : [],
    );
    expect(waits).toEqual([undefined, 20]);
  });
});

describe('expiry', () => {
  it('discards what comes too late, and counts it', async () => {
    const broker = memory();
    const { bus } = await start({}, { service: 'shop', broker });
    const { calls, record } = recorder();
    @Injectable()
    class Handler {
      // Due again when it has expired; and long enough for its first attempt to come before, on a machine that is busy.
      @OnEvent('a', { retry: { backoff: { initial: 2_000, jitter: 0 } } })
      on(_: unknown, { attempt }: MessageContext): void {
        record(attempt);
        throw new Error('again');
      }
    }
    const { until } = await start({ providers: [Handler] }, { service: 'shop', broker });
    await bus.publish('a', 1, { expiresIn: 2_000 });
    await until('expired');
    expect(calls).toEqual([[1]]);
  });
});
