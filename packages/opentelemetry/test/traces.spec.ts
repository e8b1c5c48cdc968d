import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from '@jest/globals';
import { context, propagation, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api';
import { Injectable, type Type } from '@nestjs/common';
import { DeadLetter, Discard, EventBus, MessageContext, OnEvent, OnQueue } from '@nest-messaging/core';
import { AT_ONCE, start, type Running } from './support/application.js';
import { record, type Recording } from './support/recording.js';

let recording: Recording;
let running: Running | undefined;

beforeAll(() => {
  recording = record();
});
afterAll(() => recording.end());
beforeEach(() => recording.reset());
afterEach(async () => {
  await running?.stop();
  running = undefined;
});

async function run(...handlers: Type[]): Promise<EventBus> {
  running = await start(handlers);
  return running.bus;
}

/** As an HTTP server's instrumentation has it around a request. */
const within = <T>(name: string, act: () => Promise<T>): Promise<T> =>
  trace.getTracer('test').startActiveSpan(name, async (span) => {
    try {
      return await act();
    } finally {
      span.end();
    }
  });

describe('a publish', () => {
  it('is a producer span of the trace in which it happens', async () => {
    const bus = await run();
    await within('POST /orders', () =>
      bus.publish('order.placed', { id: 1 }, { messageId: 'm1', correlationId: 'c1' }),
    );
    const [request] = recording.named('POST /orders');
    const [span] = recording.named('publish order.placed');
    expect(span!.kind).toBe(SpanKind.PRODUCER);
    expect(span!.parentSpanContext?.spanId).toBe(request!.spanContext().spanId);
    expect(span!.status.code).toBe(SpanStatusCode.UNSET);
    expect(span!.attributes).toEqual({
      'messaging.system': 'memory',
      'messaging.operation.name': 'publish',
      'messaging.operation.type': 'send',
      'messaging.destination.name': 'order.placed',
      'messaging.message.id': 'm1',
      'messaging.message.conversation_id': 'c1',
      'messaging.message.body.size': 8,
      'nest_messaging.connection': 'default',
    });
    expect(span!.instrumentationScope).toMatchObject({
      name: '@nest-messaging/opentelemetry',
      schemaUrl: 'https://opentelemetry.io/schemas/1.45.0',
    });
  });

  it('to a queue is called what the bus calls it', async () => {
    const bus = await run();
    await bus.enqueue('pack', {});
    expect(recording.named('enqueue pack')).toHaveLength(1);
  });

  it('that fails says why, and is rejected as it would be', async () => {
    const bus = await run();
    const signal = AbortSignal.abort(new RangeError('given up'));
    await expect(bus.publish('order.placed', {}, { signal })).rejects.toThrow('given up');
    const [span] = recording.named('publish order.placed');
    expect(span!.status).toEqual({ code: SpanStatusCode.ERROR, message: 'given up' });
    expect(span!.attributes['error.type']).toBe('RangeError');
  });
});

describe('a handler', () => {
  it('is a consumer span, a child of the publish and linked to it', async () => {
    @Injectable()
    class Invoices {
      @OnEvent('order.placed', { group: 'billing' })
      bill(): void {}
    }
    const bus = await run(Invoices);
    await bus.publish('order.placed', { id: 1 }, { messageId: 'm1' });
    const span = await recording.until('process order.placed');
    const published = recording.named('publish order.placed')[0]!.spanContext();
    expect(span.kind).toBe(SpanKind.CONSUMER);
    expect(span.spanContext().traceId).toBe(published.traceId);
    expect(span.parentSpanContext?.spanId).toBe(published.spanId);
    expect(span.links.map((link) => link.context.spanId)).toEqual([published.spanId]);
    expect(span.attributes).toEqual({
      'messaging.system': 'memory',
      'messaging.operation.name': 'process',
      'messaging.operation.type': 'process',
      'messaging.destination.name': 'order.placed',
      'messaging.consumer.group.name': 'billing',
      'messaging.message.id': 'm1',
      'messaging.message.body.size': 8,
      'nest_messaging.attempt': 1,
      'nest_messaging.connection': 'default',
    });
  });

  it('under a pattern is called by it, and knows the topic', async () => {
    @Injectable()
    class Audit {
      @OnEvent('order.*')
      write(): void {}
    }
    const bus = await run(Audit);
    await bus.publish('order.placed', {});
    const span = await recording.until('process order.*');
    expect(span.attributes).toMatchObject({
      'messaging.destination.name': 'order.placed',
      'messaging.destination.template': 'order.*',
    });
  });

  it('is settled in a span of its own, a child of it', async () => {
    @Injectable()
    class Invoices {
      @OnEvent('order.placed')
      bill(): void {}
    }
    const bus = await run(Invoices);
    await bus.publish('order.placed', {}, { messageId: 'm1' });
    const span = await recording.until('acknowledge order.placed');
    const process = recording.named('process order.placed')[0]!.spanContext();
    expect(span.kind).toBe(SpanKind.CLIENT);
    expect(span.parentSpanContext?.spanId).toBe(process.spanId);
    expect(span.attributes).toMatchObject({
      'messaging.operation.name': 'acknowledge',
      'messaging.operation.type': 'settle',
      'messaging.message.id': 'm1',
    });
  });

  it('that publishes goes on with the trace, and with its baggage', async () => {
    let baggage: string | undefined;
    @Injectable()
    class Handlers {
      constructor(private readonly bus: EventBus) {}
      @OnEvent('order.placed')
      async bill(): Promise<void> {
        await new Promise((resolve) => setImmediate(resolve));
        await this.bus.publish('order.billed', {});
      }
      @OnEvent('order.billed')
      ship(): void {
        baggage = propagation.getActiveBaggage()?.getEntry('tenant')?.value;
      }
    }
    const bus = await run(Handlers);
    const tenant = propagation.createBaggage({ tenant: { value: 'blue' } });
    await context.with(propagation.setBaggage(context.active(), tenant), () =>
      within('POST /orders', () => bus.publish('order.placed', {})),
    );
    const last = await recording.until('process order.billed');
    const chain = ['POST /orders', 'publish order.placed', 'process order.placed', 'publish order.billed'];
    const spans = chain.map((name) => recording.named(name)[0]!);
    for (const [at, span] of [...spans, last].entries()) {
      expect(span.spanContext().traceId).toBe(last.spanContext().traceId);
      expect(span.parentSpanContext?.spanId).toBe(spans[at - 1]?.spanContext().spanId);
    }
    expect(baggage).toBe('blue');
  });

  it('that fails is a span for each attempt, in the same trace', async () => {
    @Injectable()
    class Invoices {
      @OnEvent('order.placed', { retry: { attempts: 3, ...AT_ONCE } })
      bill(_: unknown, { attempt }: MessageContext): void {
        if (attempt < 3) throw new TypeError(`attempt ${attempt}`);
        throw new DeadLetter('no such customer');
      }
    }
    const bus = await run(Invoices);
    await bus.publish('order.placed', {});
    const last = await recording.until('dead-letter order.placed');
    const attempts = recording.named('process order.placed');
    expect(attempts.map(({ attributes }) => attributes['nest_messaging.attempt'])).toEqual([1, 2, 3]);
    expect(attempts.map(({ attributes }) => attributes['error.type'])).toEqual([
      'TypeError',
      'TypeError',
      'DeadLetter',
    ]);
    expect(attempts[0]!.status).toEqual({ code: SpanStatusCode.ERROR, message: 'attempt 1' });
    expect(recording.named('retry order.placed')).toHaveLength(2);
    expect(new Set([...attempts, last].map((span) => span.spanContext().traceId)).size).toBe(1);
    // Setting it aside has succeeded.
    expect(last.status.code).toBe(SpanStatusCode.UNSET);
  });

  it('that fails in order is a span for each attempt, too', async () => {
    @Injectable()
    class Invoices {
      @OnEvent('order.placed', { ordered: true, retry: { attempts: 2, ...AT_ONCE } })
      bill(_: unknown, { attempt }: MessageContext): void {
        if (attempt < 2) throw new TypeError('not yet');
      }
    }
    const bus = await run(Invoices);
    await bus.publish('order.placed', {}, { key: 'k' });
    await recording.until('acknowledge order.placed');
    const attempts = recording.named('process order.placed');
    expect(attempts.map(({ attributes }) => attributes['nest_messaging.attempt'])).toEqual([1, 2]);
    expect(new Set(attempts.map((span) => span.parentSpanContext?.spanId)).size).toBe(1);
  });

  it.each([
    ['text', 'text', 'NonError'],
    ['nothing', undefined, 'NonError'],
    ['poison’s cause', null, 'NonError'],
  ])('that throws %s has failed', async (_, thrown, type) => {
    @Injectable()
    class Odd {
      @OnEvent('order.placed', { retry: { attempts: 1 } })
      on(): void {
        throw thrown;
      }
    }
    const bus = await run(Odd);
    await bus.publish('order.placed', {});
    const span = await recording.until('process order.placed');
    expect(span.attributes['error.type']).toBe(type);
  });

  it('whose message is poison says what is wrong with it', async () => {
    @Injectable()
    class Strict {
      @OnEvent('order.placed')
      on(): void {}
    }
    const mute = {
      contentType: 'text/plain',
      encode: () => Buffer.from('no JSON'),
      decode: () => JSON.parse('{'),
    };
    running = await start([Strict], { codec: mute });
    await running.bus.publish('order.placed', {});
    const span = await recording.until('process order.placed');
    expect(span.attributes['error.type']).toBe('SyntaxError');
    await recording.until('dead-letter order.placed');
  });

  it('that discards has not failed', async () => {
    @Injectable()
    class Calm {
      @OnEvent('order.placed')
      on(): void {
        throw new Discard('of no use');
      }
    }
    const bus = await run(Calm);
    await bus.publish('order.placed', {});
    const span = await recording.until('process order.placed');
    expect(span.status.code).toBe(SpanStatusCode.UNSET);
    expect(span.attributes).not.toHaveProperty('error.type');
  });

  it('of a queue is traced as well', async () => {
    @Injectable()
    class Packer {
      @OnQueue('pack')
      pack(): void {}
    }
    const bus = await run(Packer);
    await bus.enqueue('pack', {});
    const span = await recording.until('process pack');
    expect(span.parentSpanContext?.spanId).toBe(recording.named('enqueue pack')[0]!.spanContext().spanId);
  });
});

describe('a batch', () => {
  it('is one span, linked to where each of its messages comes from', async () => {
    @Injectable()
    class Rows {
      @OnEvent('row', { batch: { size: 2, wait: '10s' } })
      insert(): void {}
    }
    const bus = await run(Rows);
    await bus.publish('row', 1, { messageId: 'a' });
    await bus.publish('row', 2, { messageId: 'b' });
    const span = await recording.until('process row');
    const published = recording.named('publish row').map((one) => one.spanContext().spanId);
    expect(span.parentSpanContext).toBeUndefined();
    expect(span.links.map((link) => link.context.spanId)).toEqual(published);
    expect(span.links.map(({ attributes }) => attributes?.['messaging.message.id'])).toEqual(['a', 'b']);
    expect(span.attributes).toMatchObject({
      'messaging.destination.name': 'row',
      'messaging.batch.message_count': 2,
    });
    expect(span.attributes).not.toHaveProperty('messaging.message.id');
    await recording.until('acknowledge row', () => recording.named('acknowledge row').length === 2);
    for (const settled of recording.named('acknowledge row')) {
      expect(settled.parentSpanContext?.spanId).toBe(span.spanContext().spanId);
      expect(settled.links).toHaveLength(1);
    }
  });

  it('of one message is a batch nevertheless', async () => {
    @Injectable()
    class Rows {
      @OnEvent('row', { batch: { size: 10, wait: 1 } })
      insert(): void {
        throw new TypeError('no');
      }
    }
    const bus = await run(Rows);
    await bus.publish('row', 1);
    const span = await recording.until('process row');
    expect(span.attributes).toMatchObject({ 'messaging.batch.message_count': 1, 'error.type': 'TypeError' });
  });
});

describe('headers that carry the trace', () => {
  const seen: MessageContext[] = [];
  @Injectable()
  class Looker {
    @OnEvent('order.placed')
    on(_: unknown, about: MessageContext): void {
      seen.push(about);
    }
  }
  beforeEach(() => void (seen.length = 0));

  it('are the broker’s own, by the names that W3C gives them', async () => {
    const bus = await run(Looker);
    await bus.publish('order.placed', {}, { headers: { tenant: 'blue' } });
    await recording.until('process order.placed');
    const { traceId, spanId } = recording.named('publish order.placed')[0]!.spanContext();
    expect(Object.entries(seen[0]!.headers)).toEqual([
      ['tenant', 'blue'],
      ['traceparent', `00-${traceId}-${spanId}-01`],
    ]);
  });

  it('stay as the caller gave them, and the span is linked to what they say', async () => {
    const given = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
    const bus = await run(Looker);
    await bus.publish('order.placed', {}, { headers: { traceparent: given, tracestate: 'a=1' } });
    const processed = await recording.until('process order.placed');
    expect(seen[0]!.headers).toEqual({ traceparent: given, tracestate: 'a=1' });
    expect(processed.parentSpanContext?.spanId).toBe('b7ad6b7169203331');
    const [published] = recording.named('publish order.placed');
    expect(published!.links.map((link) => link.context.spanId)).toEqual(['b7ad6b7169203331']);
  });

  it('that are no trace do no harm', async () => {
    const bus = await run(Looker);
    await bus.publish('order.placed', {}, { headers: { traceparent: 'x', baggage: ';;=,%%' } });
    const span = await recording.until('process order.placed');
    expect(span.parentSpanContext).toBeUndefined();
    expect(span.links).toEqual([]);
  });
});
