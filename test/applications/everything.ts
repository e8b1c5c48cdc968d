import 'reflect-metadata';
import { expect } from '@jest/globals';
import { Injectable } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run } from '@nest-messaging/cli';
import {
  DeadLetters,
  EventBus,
  MessagingExplorer,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OnQueue,
  type Broker,
  type Finding,
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

/** What an examination finds that keeps the application from working. */
export async function troubles(
  namespace: string,
  topology: Topology,
  broker: Broker,
): Promise<readonly Finding[]> {
  const app = await compile(namespace, topology, broker);
  const [examined] = await app.get(MessagingExplorer).examine();
  return examined!.findings.filter(({ level }) => level === 'trouble');
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

/** Leaves one dead letter, and ends. */
export async function leaveLetter(namespace: string, topology: Topology, broker: Broker): Promise<void> {
  const app = await (await compile(namespace, topology, broker)).init();
  try {
    await app.get(EventBus).publish('order.placed', { good: false });
    await until(
      async () => (await app.get(DeadLetters).list({ topic: 'order.placed' })).letters.length === 1,
    );
  } finally {
    await app.close();
  }
}

/** Does with that letter all that the command line can, which has no application. */
export async function operate(namespace: string, url: string): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'operator-'));
  const letters = async (...args: string[]): Promise<any> => {
    let [out, error] = ['', ''];
    const whose = ['--namespace', namespace, '--service', 'billing', '--topic', 'order.placed'];
    const code = await run(['dead-letters', ...args, '--url', url, ...whose, '--json'], {
      out: (text) => void (out += text),
      error: (text) => void (error += text),
      directory: folder,
    });
    expect({ code, error }).toEqual({ code: 0, error: '' });
    return JSON.parse(out);
  };
  try {
    const { letters: listed } = await letters('list');
    expect(listed).toHaveLength(1);
    await letters('show', listed[0].message.id, '--payload');
    expect(await letters('export', '--file', 'letters.jsonl')).toEqual({ count: 1 });
    expect(await letters('purge', '--all', '--yes')).toEqual({ count: 1, complete: true });
    const imported = { count: 1, skipped: 0, complete: true };
    expect(await letters('import', '--file', 'letters.jsonl')).toEqual(imported);
    expect(await letters('redrive', '--all')).toEqual({ count: 1, complete: true });
    expect(await letters('list')).toEqual({ letters: [] });
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** The commands of a page for who operates `shop.billing`, each on a line of its own, for another namespace. */
export function operatorsCommands(page: string, namespace: string): string {
  const text = readFileSync(new URL(`../../docs/${page}`, import.meta.url), 'utf8');
  const block = [...text.matchAll(/^```sh\n(.*?)^```$/gms)].find(([, commands]) =>
    / (User:)?operator /.test(commands!),
  );
  return block![1]!.trim().replaceAll('\\\n  ', '').replaceAll('shop', namespace);
}
