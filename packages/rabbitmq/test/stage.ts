import { randomBytes } from 'node:crypto';
import { afterEach, jest } from '@jest/globals';
import {
  subscriptionName,
  systemClock,
  type Delivery,
  type Environment,
  type OutgoingMessage,
  type Settlement,
  type Subscription,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { connect, type Channel, type ChannelModel } from 'amqplib';
import { rabbitmqUrl } from '../../../test/support/rabbitmq.js';
import { rabbitmq, type RabbitMqOptions } from '../src/index.js';

export const acknowledge: Settlement = { type: 'acknowledge' };
export const release: Settlement = { type: 'release' };
const failure = { name: 'TestError', message: 'as the test wants it', at: 1_700_000_000_000 };
export const retry = (delay: number): Settlement => ({ type: 'retry', delay, failure });
export const deadLetter: Settlement = { type: 'dead-letter', failure, attempts: 1 };

export interface Probe {
  readonly seen: (Delivery & { readonly text: string; readonly at: number })[];
  readonly texts: string[];
  readonly subscription: Subscription;
  resize(maxUnsettled: number): void;
  stop(): Promise<void>;
}

export interface Application {
  readonly transport: Transport;
  readonly events: TransportEvent[];
  publish(
    topic: string,
    body?: string,
    more?: Partial<OutgoingMessage> & { signal?: AbortSignal },
  ): Promise<void>;
  enqueue(
    queue: string,
    body?: string,
    more?: Partial<OutgoingMessage> & { signal?: AbortSignal },
  ): Promise<void>;
  subscribe(
    source: string | Subscription['source'],
    behaviour?: (delivery: Delivery) => Settlement | Promise<Settlement>,
    more?: Partial<Subscription>,
  ): Promise<Probe>;
}

export interface Stage {
  /** A word that no other test has; namespace of its applications. */
  readonly mark: string;
  open(options?: Partial<RabbitMqOptions>, environment?: Partial<Environment>): Promise<Application>;
  prepare(options?: Partial<RabbitMqOptions>, environment?: Partial<Environment>): Application;
  /** A plain AMQP client, which has never heard of the module. */
  foreign(url?: string): Promise<{ connection: ChannelModel; channel: Channel }>;
  /** Runs when the test has ended, latest first. */
  after(clean: () => unknown): void;
}

/** Waits for what a test observes: bounded, never a fixed time. */
export async function until(condition: () => unknown, what: string, limit = 20_000): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limit} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Beyond every wait inside a test, so that its own message is seen and not the runner's. */
jest.setTimeout(120_000);

const never = new AbortController().signal;

const sourceOf = (source: string | Subscription['source']): Subscription['source'] =>
  typeof source === 'string' ? { kind: 'topic', name: source } : source;

/** What a test has of the broker; all of it is closed and deleted when the test has ended. */
export function useStage(url: () => string = rabbitmqUrl): () => Stage {
  const cleanups: (() => unknown)[] = [];
  let stage: Stage | undefined;

  const make = (): Stage => {
    const mark = `t${randomBytes(5).toString('hex')}`;
    let count = 0;
    cleanups.push(() => deleteAll(url(), mark));
    const prepare: Stage['prepare'] = (options, environment) => {
      const events: TransportEvent[] = [];
      const transport = rabbitmq({ url: url(), ...options }).open({
        connection: 'default',
        service: 'service',
        namespace: mark,
        topology: 'create',
        connectTimeout: 20_000,
        clock: systemClock,
        report: (event) => events.push(event),
        ...environment,
      });
      cleanups.push(() => transport.close());
      const send =
        (kind: 'topic' | 'queue'): Application['publish'] =>
        (name, body = '{}', { signal = never, ...more } = {}) => {
          if (kind === 'queue') namesOf(mark).queues.add(`${mark}.${name}`);
          return transport.publish(
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
        };
      return {
        transport,
        events,
        publish: send('topic'),
        enqueue: send('queue'),
        async subscribe(source, behaviour = () => acknowledge, more) {
          const seen: Probe['seen'] = [];
          for (const suffix of ['', '--dead', '--suspect', '--ordered', '--turn'])
            namesOf(mark).queues.add(
              `${subscriptionName(mark, { group: 'group', ...more, source: sourceOf(source) })}${suffix}`,
            );
          const subscription: Subscription = {
            source: sourceOf(source),
            group: 'group',
            ordered: false,
            broadcast: false,
            maxUnsettled: 10,
            ...more,
          };
          const consumer = await transport.subscribe(subscription, async (delivery) => {
            seen.push({ ...delivery, text: Buffer.from(delivery.message.body).toString(), at: Date.now() });
            return behaviour(delivery);
          });
          return {
            seen,
            get texts() {
              return seen.map(({ text }) => text);
            },
            subscription,
            resize: (maxUnsettled) => consumer.resize!(maxUnsettled),
            stop: () => consumer.stop(),
          };
        },
      };
    };
    return {
      mark,
      prepare,
      async open(options, environment) {
        const application = prepare(options, environment);
        await application.transport.connect();
        return application;
      },
      async foreign(at = url()) {
        const connection = await connect(at);
        connection.on('error', () => {});
        const channel = await connection.createChannel();
        channel.on('error', () => {});
        cleanups.push(() => connection.close().catch(() => {}));
        return { connection, channel };
      },
      after: (clean) => cleanups.push(clean),
    };
  };

  afterEach(async () => {
    stage = undefined;
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  return () => (stage ??= make());
}

/** Names of what the module may have made under a namespace; deleting what does not exist is no error. */
async function deleteAll(url: string, mark: string): Promise<void> {
  const { queues, exchanges } = namesOf(mark);
  const connection = await connect(url);
  const channel = await connection.createChannel();
  for (const queue of queues) await channel.deleteQueue(queue);
  for (const exchange of exchanges) await channel.deleteExchange(exchange);
  await connection.close();
}

const made = new Map<string, { queues: Set<string>; exchanges: Set<string> }>();

/** What a test made beyond the usual, to be deleted after it. */
export function namesOf(mark: string): { queues: Set<string>; exchanges: Set<string> } {
  let names = made.get(mark);
  if (!names) {
    const own = (suffix: string): string => `${mark}.service--${suffix}`;
    const levels = Array.from({ length: 23 }, (_, level) => own(`delay-${level}`));
    made.set(
      mark,
      (names = {
        queues: new Set([...levels, own('strays'), own('sink')]),
        exchanges: new Set([mark, ...levels, own('due'), own('return'), own('strays')]),
      }),
    );
  }
  return names;
}
