import { randomBytes } from 'node:crypto';
import { describe, it, jest } from '@jest/globals';
import {
  systemClock,
  type Delivery,
  type Environment,
  type OutgoingMessage,
  type Settlement,
  type Subscription,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { Kafka, logLevel, type Admin, type Message as PlainMessage } from 'kafkajs';
import { kafkaBrokers } from '../../../test/support/kafka.js';
import type { Client, StoredRecord } from '../src/driver/driver.js';
import { openDriver } from '../src/driver/open.js';
import { readRange } from '../src/fetching.js';
import { kafka, type KafkaOptions } from '../src/index.js';
import { subscriptionNames } from '../src/topology.js';

export type DriverName = 'kafkajs' | 'platformatic';

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
const forPlatformatic = major > 24 || (major === 24 && minor >= 6) || (major === 22 && minor >= 22);

export const drivers: readonly { readonly name: DriverName; readonly missing?: string }[] = [
  { name: 'kafkajs' },
  {
    name: 'platformatic',
    ...(!forPlatformatic && {
      missing: `@platformatic/kafka needs Node 22.22 or 24.6, and this is ${process.versions.node}`,
    }),
  },
];

export const acknowledge: Settlement = { type: 'acknowledge' };
export const release: Settlement = { type: 'release' };
const failure = { name: 'TestError', message: 'as the test wants it', code: 'E_TEST', at: 1_700_000_000_000 };
export const retry = (delay: number): Settlement => ({ type: 'retry', delay, failure });
export const deadLetter = (attempts = 1): Settlement => ({ type: 'dead-letter', failure, attempts });

export interface Probe {
  readonly seen: (Delivery & { readonly text: string; readonly at: number })[];
  readonly texts: string[];
  readonly subscription: Subscription;
  stop(): Promise<void>;
}

type Send = (
  name: string,
  body?: string,
  more?: Partial<OutgoingMessage> & { signal?: AbortSignal },
) => Promise<void>;

export interface Application {
  readonly transport: Transport;
  readonly events: TransportEvent[];
  /** What it warned of. */
  readonly warnings: string[];
  readonly publish: Send;
  readonly enqueue: Send;
  subscribe(
    source: string | Subscription['source'],
    behaviour?: (delivery: Delivery) => Settlement | Promise<Settlement>,
    more?: Partial<Subscription>,
  ): Promise<Probe>;
}

export interface Stage {
  /** A word that no other test has; namespace of its applications. */
  readonly mark: string;
  readonly driver: DriverName;
  readonly brokers: readonly string[];
  open(options?: Partial<KafkaOptions>, environment?: Partial<Environment>): Promise<Application>;
  prepare(options?: Partial<KafkaOptions>, environment?: Partial<Environment>): Application;
  /** Lets a plain client, which has never heard of the module, look and arrange. */
  arrange<T>(act: (admin: Admin) => Promise<T>): Promise<T>;
  /** Writes as a plain client does. */
  write(topic: string, ...messages: PlainMessage[]): Promise<void>;
  /** Asks through the driver, on a connection of its own. */
  ask<T>(act: (client: Client) => Promise<T>): Promise<T>;
  /** All that is in a topic, as it lies there. */
  read(topic: string): Promise<StoredRecord[]>;
  /** Runs when the test has ended, latest first. */
  after(clean: () => unknown): void;
}

/** Waits for what a test observes: bounded, never a fixed time. */
export async function until(
  condition: () => unknown,
  what: string | (() => string),
  limit = 30_000,
): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline)
      throw new Error(`waited ${limit} ms for ${typeof what === 'string' ? what : what()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

export const ready = async ({ transport }: Application): Promise<boolean> => (await transport.health()).ready;

/** Beyond every wait inside a test, so that its own message is seen and not the runner's. */
const LONGEST_TEST = 120_000;
jest.setTimeout(LONGEST_TEST);

/** Defines a test; those of one `describe` run at the same time, since they wait more than they work. */
export type Define = (title: string, act: (stage: Stage) => Promise<void>) => void;

/** More at a time would only wait for each other's work. */
const AT_A_TIME = 6;

/** Describes the transport with each driver by the same tests. */
export function onEachDriver(
  title: string,
  define: (test: Define, driver: DriverName) => void,
  {
    brokers = kafkaBrokers,
    apart = false,
  }: {
    readonly brokers?: () => string;
    /** What one driver's tests do to the broker is not for the other's. */
    readonly apart?: boolean;
  } = {},
): void {
  const all = together();
  for (const { name, missing } of drivers) {
    const run = apart ? together() : all;
    const test: Define = (what, act) => run(what, () => onStage(name, brokers(), act), missing !== undefined);
    (missing ? describe.skip : describe)(
      missing ? `${title}, with ${name}: not here, as ${missing}` : `${title}, with ${name}`,
      () => define(test, name),
    );
  }
}

/**
 * Whichever test comes first has all of them run, and each tells its own outcome. (`it.concurrent` would do, but from
 * the end of the first of its tests on it refuses every `import()`, with which drivers are loaded.)
 */
function together(): (title: string, act: () => Promise<void>, skipped: boolean) => void {
  const acts: (() => Promise<void>)[] = [];
  let outcomes: Promise<PromiseSettledResult<void>[]> | undefined;
  return (title, act, skipped) => {
    const at = skipped ? -1 : acts.push(act) - 1;
    it(
      title,
      async () => {
        const outcome = (await (outcomes ??= runAll(acts)))[at]!;
        if (outcome.status === 'rejected') throw outcome.reason;
      },
      LONGEST_TEST * 2,
    );
  };
}

async function runAll(acts: readonly (() => Promise<void>)[]): Promise<PromiseSettledResult<void>[]> {
  const outcomes: PromiseSettledResult<void>[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < acts.length) {
      const at = next++;
      [outcomes[at]] = (await Promise.allSettled([acts[at]!()])) as [PromiseSettledResult<void>];
    }
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return outcomes;
}

const never = new AbortController().signal;

const sourceOf = (source: string | Subscription['source']): Subscription['source'] =>
  typeof source === 'string' ? { kind: 'topic', name: source } : source;

/** What a test has of the broker; all of it is closed and deleted when the test has ended. */
export async function onStage(
  driver: DriverName,
  at: string,
  act: (stage: Stage) => Promise<void>,
): Promise<void> {
  const cleanups: (() => unknown)[] = [];
  const stage = makeStage(driver, at.split(','), cleanups);
  try {
    await act(stage);
  } finally {
    for (const clean of cleanups.reverse()) await clean();
  }
}

function makeStage(driver: DriverName, brokers: string[], cleanups: (() => unknown)[]): Stage {
  const mark = `t${randomBytes(5).toString('hex')}`;
  const plain = new Kafka({ clientId: 'plain', brokers, logLevel: logLevel.NOTHING });
  let count = 0;

  const arrange: Stage['arrange'] = async (run) => {
    const admin = plain.admin();
    await admin.connect();
    try {
      return await run(admin);
    } finally {
      await admin.disconnect();
    }
  };
  cleanups.push(() => arrange((admin) => deleteAll(admin, mark)));

  const prepare: Stage['prepare'] = (options, environment) => {
    const events: TransportEvent[] = [];
    const transport = kafka({
      brokers,
      driver,
      partitions: 3,
      sessionTimeout: '6s',
      discovery: '300ms',
      ...options,
    }).open({
      connection: 'default',
      service: 'service',
      namespace: mark,
      topology: 'create',
      connectTimeout: 30_000,
      clock: systemClock,
      report: (event) => events.push(event),
      ...environment,
    });
    cleanups.push(() => transport.close());
    const send =
      (kind: 'topic' | 'queue'): Send =>
      (name, body = '{}', { signal = never, ...more } = {}) =>
        transport.publish(
          {
            id: `${mark}-${++count}`,
            destination: { kind, name },
            body: Buffer.from(body),
            contentType: 'application/json',
            headers: {},
            delay: 0,
            ordered: false,
            publishedAt: Date.now(),
            source: '/test',
            ...more,
          },
          signal,
        );
    return {
      transport,
      events,
      get warnings() {
        return events.flatMap((event) => (event.type === 'warning' ? [event.message] : []));
      },
      publish: send('topic'),
      enqueue: send('queue'),
      async subscribe(source, behaviour = () => acknowledge, more) {
        const seen: Probe['seen'] = [];
        const subscription: Subscription = {
          source: sourceOf(source),
          group: 'group',
          ordered: false,
          broadcast: false,
          maxUnsettled: 10,
          ...more,
        };
        const consumer = await transport.subscribe(subscription, async (delivery) => {
          const { raw } = delivery;
          seen.push({
            ...delivery,
            raw,
            text: Buffer.from(delivery.message.body).toString(),
            at: Date.now(),
          });
          return behaviour(delivery);
        });
        return {
          seen,
          get texts() {
            return seen.map(({ text }) => text);
          },
          subscription,
          stop: () => consumer.stop(),
        };
      },
    };
  };

  return {
    mark,
    driver,
    brokers,
    prepare,
    async open(options, environment) {
      const application = prepare(options, environment);
      await application.transport.connect();
      return application;
    },
    arrange,
    async write(topic, ...messages) {
      const producer = plain.producer();
      await producer.connect();
      try {
        await producer.send({ topic, messages });
      } finally {
        await producer.disconnect();
      }
    },
    ask: (act) => askThrough(driver, brokers, act),
    read: (topic) => askThrough(driver, brokers, (client) => readAll(client, topic)),
    after: (clean) => cleanups.push(clean),
  };
}

async function askThrough<T>(
  driver: DriverName,
  brokers: readonly string[],
  act: (client: Client) => Promise<T>,
): Promise<T> {
  const opened = await openDriver(driver, {
    brokers,
    clientId: 'reader',
    connectTimeout: 10_000,
    requestTimeout: 10_000,
    vendor: {},
    onDisconnect: () => {},
  });
  const client = opened.client();
  try {
    await client.connect();
    return await act(client);
  } finally {
    await client.close();
  }
}

async function readAll(client: Client, topic: string): Promise<StoredRecord[]> {
  const [first, end] = [await client.offsets(topic, 'earliest'), await client.offsets(topic, 'latest')];
  const records: StoredRecord[] = [];
  for (const [partition, offset] of first.entries())
    for await (const record of readRange(
      client,
      { topic, partition, offset },
      end[partition]!,
      systemClock,
      never,
    ))
      records.push(record);
  return records;
}

/** What applications made under a namespace. */
async function deleteAll(admin: Admin, mark: string): Promise<void> {
  const own = (name: string): boolean => name.startsWith(`${mark}.`);
  const topics = (await admin.listTopics()).filter(own);
  if (topics.length > 0) await admin.deleteTopics({ topics });
  const groups = (await admin.listGroups()).groups.map(({ groupId }) => groupId).filter(own);
  // One that still has a member, as for a while after a process was killed, stays until the broker forgets it.
  if (groups.length > 0) await admin.deleteGroups(groups).catch(() => undefined);
}

/** Names of a stage's subscription on the broker. */
export const namesOf = (
  { mark }: Pick<Stage, 'mark'>,
  { subscription }: Pick<Probe, 'subscription'>,
): ReturnType<typeof subscriptionNames> => subscriptionNames({ namespace: mark }, subscription);

/** A header's text; undefined where there is none. */
export const header = ({ headers }: Pick<StoredRecord, 'headers'>, name: string): string | undefined =>
  headers.findLast(([own]) => own === name)?.[1]?.toString();
