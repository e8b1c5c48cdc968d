import 'reflect-metadata';
import { expect } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  DeadLetters,
  EventBus,
  MessagingExplorer,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OnQueue,
  type Broker,
  type Rights,
  type Topology,
} from '@nest-messaging/core';

/** An application that does everything once, for whoever watches what it needs. */

const seen: unknown[] = [];

@Injectable()
class Billing {
  constructor(private readonly events: EventBus) {}

  @OnEvent('order.placed', { retry: { attempts: 2, backoff: { initial: 20 } } })
  async bill(order: { good: boolean }): Promise<void> {
    seen.push(order);
    if (!order.good) throw new Error('not good');
    await this.events.enqueue('invoices', 'print', { delay: 20 });
    await this.events.enqueue('steps', 'stepped', { key: 'k' });
  }

  @OnEvent('order.*')
  count(): void {
    seen.push('counted');
  }

  @OnEvent('order.placed', { broadcast: true })
  show(): void {
    seen.push('shown');
  }

  @OnQueue('invoices')
  print(task: unknown): void {
    seen.push(task);
  }

  @OnQueue('steps', { ordered: true })
  step(task: unknown): void {
    seen.push(task);
  }
}

async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 10));
}

const compile = (namespace: string, topology: Topology, broker: Broker) =>
  Test.createTestingModule({
    imports: [
      MessagingModule.forRoot({
        service: 'billing',
        namespace,
        topology,
        connectTimeout: '10s',
        broker,
        publishes: ['order.placed'],
        enqueues: ['invoices', 'steps'],
      }),
    ],
    providers: [Billing],
  })
    .setLogger({ log: () => undefined, warn: () => undefined, error: () => undefined })
    .compile();

/** The least rights that the application says it needs. */
export async function rightsOf(namespace: string, topology: Topology, broker: Broker): Promise<Rights> {
  const app = await compile(namespace, topology, broker);
  const [connection] = app.get(MessagingExplorer).explain().connections;
  return connection!.rights[topology];
}

/** Publishes, handles, retries, delays, sets aside, redrives, exports, purges and imports. */
export async function doEverything(namespace: string, topology: Topology, broker: Broker): Promise<void> {
  seen.splice(0);
  const app = await (await compile(namespace, topology, broker)).init();
  try {
    const [events, letters] = [app.get(EventBus), app.get(DeadLetters)];
    const source = { topic: 'order.placed' };
    await events.publish('order.placed', { good: true });
    await until(() => ['print', 'stepped', 'counted', 'shown'].every((what) => seen.includes(what)));
    await events.publish('order.placed', { good: false }, { delay: 20 });
    await until(async () => (await letters.list(source)).letters.length === 1);
    expect(await letters.redrive(source, 'all')).toEqual({ count: 1 });
    await until(async () => (await letters.list(source)).letters.length === 1);
    const lines: string[] = [];
    for await (const line of letters.export(source)) lines.push(line);
    expect(await letters.purge(source, 'all')).toEqual({ count: 1 });
    expect(await letters.import(source, lines)).toEqual({ count: 1, skipped: 0 });
    await until(async () => (await letters.list(source)).letters.length === 1);
    expect(await letters.purge(source, 'all')).toEqual({ count: 1 });
    const { ready, connections } = await app.get(MessagingHealth).check();
    expect({ ready, connections }).toEqual({ ready: true, connections });
  } finally {
    await app.close();
  }
}
