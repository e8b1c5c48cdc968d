import { describe, expect, it } from '@jest/globals';
import {
  BatchContext,
  defineEvent,
  MessageContext,
  OnEvent,
  OnQueue,
  type EventBus,
} from '@nest-messaging/core';
import * as v from 'valibot';
import { z } from 'zod';

/**
 * Checked by the compiler (`npm run check:types`): each `@ts-expect-error` fails the check if its next line compiles.
 */
const Placed = defineEvent('order.placed', {
  schema: z.object({ id: z.string(), at: z.string().transform((text) => new Date(text)) }),
  key: (order) => order.at.toISOString(),
});
const Plain = defineEvent<{ id: number }>('plain');
const WithValibot = defineEvent('valibot', { schema: v.object({ n: v.pipe(v.string(), v.toNumber()) }) });

async function publishers(bus: EventBus): Promise<void> {
  await bus.publish(Placed, { id: '1', at: '2026-01-01' });
  await bus.publish('any.topic', { whatever: true });
  await bus.publish(Plain, { id: 1 });
  await bus.enqueue(Plain, { id: 1 });
  await bus.publishAll(Placed, [{ id: '1', at: '2026-01-01' }]);
  await bus.publish(WithValibot, { n: '5' });

  // @ts-expect-error: id is a string
  await bus.publish(Placed, { id: 1, at: '2026-01-01' });
  // @ts-expect-error: publishers give the schema's input, not its output
  await bus.publish(Placed, { id: '1', at: new Date() });
  // @ts-expect-error: at is missing
  await bus.publish(Placed, { id: '1' });
  // @ts-expect-error: a plain contract is typed too
  await bus.enqueue(Plain, { id: 'one' });
  // @ts-expect-error: each of many is checked
  await bus.publishAll(Placed, [{ id: '1' }]);
  // @ts-expect-error: the payload is not optional
  await bus.publish(Placed);
  // @ts-expect-error: no such option
  await bus.publish(Placed, { id: '1', at: '' }, { heders: {} });
  // @ts-expect-error: no duration
  await bus.publish(Placed, { id: '1', at: '' }, { delay: 'soon' });
}

class Handlers {
  @OnEvent(Placed)
  both(order: { id: string; at: Date }, context: MessageContext): string {
    return order.id + context.id;
  }
  @OnEvent(Placed)
  narrower({ id }: { id: string }): string {
    return id;
  }
  @OnEvent(Placed)
  none(): void {}
  @OnEvent(Placed)
  async later(order: { at: Date }): Promise<Date> {
    return order.at;
  }
  @OnEvent(Placed)
  private hidden(order: { id: string }): string {
    return order.id;
  }
  @OnQueue(WithValibot)
  number(task: { n: number }): number {
    return task.n;
  }
  @OnEvent('any.topic')
  any(payload: { whatever: boolean }): boolean {
    return payload.whatever;
  }

  @OnEvent(Placed, { batch: { size: 10 } })
  batch(orders: { id: string; at: Date }[], batch: BatchContext): string {
    return orders[0]!.id + batch.messages[0]!.id;
  }
  @OnQueue(WithValibot, { batch: { size: 10, wait: '5s' }, concurrency: 1 })
  narrowBatch(tasks: readonly { n: number }[]): number {
    return tasks.length;
  }
  @OnEvent('any.topic', { batch: { size: 10 } })
  anyBatch(payloads: { whatever: boolean }[]): number {
    return payloads.length;
  }
  @OnEvent<any>(Placed, { batch: { size: 10 } })
  otherOrder(batch: BatchContext, orders: unknown[]): number {
    return batch.messages.length + orders.length;
  }

  // @ts-expect-error: a handler of batches gets an array
  @OnEvent(Placed, { batch: { size: 10 } })
  notOne(order: { id: string }): string {
    return order.id;
  }
  // @ts-expect-error: of what the contract gives
  @OnQueue(WithValibot, { batch: { size: 10 } })
  textBatch(tasks: { n: string }[]): number {
    return tasks.length;
  }
  // @ts-expect-error: a plain topic's batch is an array too
  @OnEvent('any.topic', { batch: { size: 10 } })
  anyOne(payload: { whatever: boolean }): boolean {
    return payload.whatever;
  }
  // @ts-expect-error: the second parameter is the batch's context
  @OnEvent(Placed, { batch: { size: 10 } })
  batchContext(_: unknown[], context: MessageContext): string {
    return context.id;
  }
  // @ts-expect-error: without batch the payload is no array
  @OnEvent(Placed)
  noBatch(orders: { id: string }[]): number {
    return orders.length;
  }

  // @ts-expect-error: handlers get the schema's output: at is a Date
  @OnEvent(Placed)
  input(order: { at: string }): string {
    return order.at;
  }
  // @ts-expect-error: there is no such field
  @OnEvent(Placed)
  surplus(order: { total: number }): number {
    return order.total;
  }
  // @ts-expect-error: the second parameter is the context
  @OnEvent(Placed)
  context(_: unknown, context: string): string {
    return context;
  }
  // @ts-expect-error: a queue's payload is typed too
  @OnQueue(WithValibot)
  text(task: { n: string }): string {
    return task.n;
  }
}

describe('types', () => {
  it('are checked by the compiler', () => {
    expect([publishers, Handlers]).toHaveLength(2);
  });
});
