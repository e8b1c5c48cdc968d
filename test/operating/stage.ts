import 'reflect-metadata';
import { it } from '@jest/globals';
import { Injectable, type INestApplicationContext, type Type } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { randomBytes } from 'node:crypto';
import { aws } from '@nest-messaging/aws';
import {
  memory,
  MessagingExplorer,
  MessagingModule,
  OnEvent,
  OnQueue,
  type Broker,
  type EventContract,
  type HandlerOptions,
  type MessageContext,
  type MessagingModuleOptions,
  type PlannedResource,
} from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { connect, type Channel } from 'amqplib';
import { awsOptions, removeNamespace as removeFromAws } from '../support/aws.js';
import { kafkaBrokers, removeNamespace as removeFromKafka } from '../support/kafka.js';
import { rabbitmqUrl } from '../support/rabbitmq.js';

export interface Tried {
  readonly name: string;
  broker(): Broker;
  /** Deletes what applications made. */
  remove(namespace: string, made: readonly PlannedResource[]): Promise<void>;
}

/** Lets a plain client look and tidy up. */
export async function onRabbitmq<T>(act: (channel: Channel) => Promise<T>): Promise<T> {
  const connection = await connect(rabbitmqUrl());
  try {
    return await act(await connection.createChannel());
  } finally {
    await connection.close();
  }
}

export const onMemory: Tried = { name: 'memory', broker: () => memory(), remove: async () => undefined };

export const rabbitMq: Tried = {
  name: 'RabbitMQ',
  broker: () => rabbitmq({ url: rabbitmqUrl() }),
  remove: (_, made) =>
    onRabbitmq(async (channel) => {
      for (const { kind, name } of made)
        await (kind === 'queue' ? channel.deleteQueue(name) : channel.deleteExchange(name));
    }),
};

export const apacheKafka: Tried = {
  name: 'Kafka',
  broker: () => kafka({ brokers: kafkaBrokers().split(','), partitions: 2, discovery: '200ms' }),
  remove: (namespace) => removeFromKafka(namespace),
};

export const amazon: Tried = {
  name: 'AWS',
  broker: () => aws({ ...awsOptions(), discovery: '200ms' }),
  remove: (namespace) => removeFromAws(namespace),
};

export const realBrokers: readonly Tried[] = [rabbitMq, apacheKafka, amazon];
export const allBrokers: readonly Tried[] = [onMemory, ...realBrokers];

/** A version of an application: what it handles, and how its module is set up. */
export interface Release extends MessagingModuleOptions {
  readonly providers?: readonly Type[];
}

/** Where processes of one namespace come and go. */
export interface Stage {
  readonly namespace: string;
  readonly broker: Broker;
  /** Starts a process, of service `shop` where the release does not say another. */
  start(release: Release): Promise<INestApplicationContext>;
  /** Stops it, as SIGTERM does. */
  stop(app: INestApplicationContext): Promise<void>;
}

const silent = (): void => undefined;

async function withStage(tried: Tried, act: (stage: Stage) => Promise<void>): Promise<void> {
  const namespace = `op${randomBytes(5).toString('hex')}`;
  const broker = tried.broker();
  const running = new Set<INestApplicationContext>();
  const made: PlannedResource[] = [];

  const stage: Stage = {
    namespace,
    broker,
    async start({ providers = [], ...options }) {
      const module = await Test.createTestingModule({
        imports: [MessagingModule.forRoot({ service: 'shop', namespace, broker, ...options })],
        providers: [...providers],
      })
        .setLogger({ log: silent, warn: silent, error: silent })
        .compile();
      for (const { handlers, publications, delays } of module.get(MessagingExplorer).explain().connections)
        made.push(...[...handlers, ...publications].flatMap(({ resources }) => resources), ...delays);
      const app = await module.init();
      running.add(app);
      return app;
    },
    async stop(app) {
      // Nest would run the hooks again.
      if (running.delete(app)) await app.close();
    },
  };

  try {
    await act(stage);
  } finally {
    await Promise.all([...running].map((app) => stage.stop(app)));
    await tried.remove(namespace, made);
  }
}

/** The same test on each broker. */
export function onEach(brokers: readonly Tried[], title: string, act: (stage: Stage) => Promise<void>): void {
  for (const tried of brokers) it(`${title}, on ${tried.name}`, () => withStage(tried, act));
}

type Handle = (payload: any, context: MessageContext) => unknown;

/** A provider whose only method handles a topic. */
export function onEvent(
  topic: string | EventContract<any, any>,
  handle: Handle,
  options?: HandlerOptions,
): Type {
  @Injectable()
  class Handler {
    // Its types tell the two apart; this test does not.
    @OnEvent(topic as string, options)
    on(payload: unknown, context: MessageContext): unknown {
      return handle(payload, context);
    }
  }
  return Handler;
}

/** A provider whose only method handles the tasks of a queue. */
export function onQueue(queue: string, handle: Handle, options?: HandlerOptions): Type {
  @Injectable()
  class Worker {
    @OnQueue(queue, options)
    on(task: unknown, context: MessageContext): unknown {
      return handle(task, context);
    }
  }
  return Worker;
}

/** Milliseconds; more than the slowest of all takes. */
const LIMIT = 20_000;

/** Asks until it is so, and rejects after 20 s: a test that has failed must not go on asking. */
export async function until(fits: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + LIMIT;
  while (!(await fits())) {
    if (Date.now() > end) throw new Error(`not so within ${LIMIT / 1000} s: ${String(fits)}`);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Numbers from 1. */
export const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);
