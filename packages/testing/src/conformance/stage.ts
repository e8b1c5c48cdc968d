import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import {
  systemClock,
  type Broker,
  type Browsing,
  type Capabilities,
  type Clock,
  type Consumer,
  type DeadLetteredMessage,
  type Destination,
  type Environment,
  type OutgoingMessage,
  type Subscription,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { turns } from '../virtual-clock.js';
import { acknowledge, createProbe, type Behaviour, type Probe } from './probe.js';
import { createService, type HandlerDraft, type Service, type ServiceOptions } from './service.js';
import type { Hook, Hooks, TestBroker, Used } from './test-broker.js';

/** What a test says of a message; the rest is filled in. */
export type MessageDraft = Partial<Omit<OutgoingMessage, 'destination' | 'body'>> & {
  readonly body?: string | Uint8Array;
  readonly signal?: AbortSignal;
};

/** One application: a transport of its own to the broker that all of a test's applications share. */
export interface Application {
  readonly transport: Transport;
  readonly environment: Environment;
  readonly events: readonly TransportEvent[];
  /** Publishes to a topic, or to a queue made by {@link queue}. Answers what was published. */
  readonly publish: (to: string | Destination, draft?: MessageDraft | string) => Promise<OutgoingMessage>;
  /** Subscribes a probe to a topic, a pattern, or a queue. */
  readonly subscribe: (
    to: string | Destination,
    options?: Partial<Subscription>,
    behaviour?: Behaviour,
  ) => Promise<Probe & { readonly consumer: Consumer; readonly subscription: Subscription }>;
  /** A hundred of them, unless told otherwise. */
  readonly deadLetters: (subscription: Subscription, browsing?: Browsing) => Promise<DeadLetteredMessage[]>;
}

/** Where one guarantee is shown: names of its own, applications, and a way to wait for what it observes. */
export interface Stage {
  readonly broker: Broker;
  readonly capabilities: Capabilities;
  readonly clock: Clock;
  /** A topic of this stage alone: `name` behind a first word that no other has. */
  readonly topic: (name?: string) => string;
  readonly queue: (name?: string) => Destination;
  readonly group: (name?: string) => string;
  /** Opens an application and connects it; it is closed when the guarantee has been shown. */
  readonly open: (environment?: Partial<Environment>, broker?: Broker) => Promise<Application>;
  /** As {@link open}, without connecting. */
  readonly prepare: (environment?: Partial<Environment>, broker?: Broker) => Application;
  /** Starts a service: the module's engine with these handlers, all of one service name unless told otherwise. */
  readonly serve: (handlers?: readonly HandlerDraft[], options?: ServiceOptions) => Promise<Service>;
  /** Waits for what a test observes: bounded, never a fixed time. */
  readonly until: (
    condition: () => boolean | Promise<boolean>,
    what: string,
    limit?: number,
  ) => Promise<void>;
  readonly hook: <Name extends Hook>(name: Name) => Hooks[Name];
}

/** How long a test waits for what it observes, beyond the delays it asked for itself. */
const LIMIT = 20_000;
/** How often a condition is looked at that nothing announces. */
const LOOK_AGAIN = 25;

const never = new AbortController().signal;

export interface OwnStage extends Stage {
  /** Closes all applications and cleans up. */
  readonly end: () => Promise<void>;
}

async function browsed(letters: AsyncIterable<DeadLetteredMessage>): Promise<DeadLetteredMessage[]> {
  const all: DeadLetteredMessage[] = [];
  for await (const letter of letters) all.push(letter);
  return all;
}

export function createStage(under: TestBroker): OwnStage {
  const mark = `c${randomBytes(5).toString('hex')}`;
  const clock: Clock = under.clock ?? systemClock;
  const applications: Application[] = [];
  const services: Service[] = [];
  const used: Used[] = [];
  const waiting = new Set<() => void>();
  let count = 0;

  const baseEnvironment = (): Environment => ({
    connection: 'default',
    service: `${mark}-service`,
    topology: 'create',
    connectTimeout: 10_000,
    clock,
    report: () => {},
    ...under.environment,
  });

  /** Grows with all that a test can observe. */
  let changes = 0;
  const changed = (): void => {
    changes++;
    for (const wake of waiting) wake();
  };

  const source = (to: string | Destination): Destination =>
    typeof to === 'string' ? { kind: 'topic', name: to } : to;

  const prepare = (environment: Partial<Environment> = {}, broker: Broker = under.broker): Application => {
    const events: TransportEvent[] = [];
    const complete: Environment = {
      ...baseEnvironment(),
      report: (event) => {
        events.push(event);
        changed();
      },
      ...environment,
    };
    const transport = broker.open(complete);
    const subscriptions: Subscription[] = [];
    const destinations: Destination[] = [];
    used.push({ environment: complete, subscriptions, destinations });
    const application: Application = {
      transport,
      environment: complete,
      events,
      async publish(to, draft = {}) {
        const {
          body = `message ${count}`,
          signal = never,
          ...given
        } = typeof draft === 'string' ? { body: draft } : draft;
        const message: OutgoingMessage = {
          id: `${mark}-${++count}`,
          destination: source(to),
          body: typeof body === 'string' ? Buffer.from(body) : body,
          contentType: 'application/json',
          headers: {},
          publishedAt: clock.now(),
          source: '/conformance',
          delay: 0,
          ordered: false,
          ...given,
        };
        destinations.push(message.destination);
        await transport.publish(message, signal);
        return message;
      },
      async subscribe(to, options = {}, behaviour = () => acknowledge) {
        const subscription: Subscription = {
          source: source(to),
          group: `${mark}-group`,
          ordered: false,
          broadcast: false,
          maxUnsettled: 10,
          ...options,
        };
        subscriptions.push(subscription);
        const isMine = (name: string): boolean => name.startsWith(mark);
        const { probe, handle } = createProbe(behaviour, () => clock.now(), isMine, changed);
        const consumer = await transport.subscribe(subscription, handle);
        return Object.defineProperties(
          { consumer, subscription } as never,
          Object.getOwnPropertyDescriptors(probe),
        );
      },
      deadLetters: ({ source: from, group }, browsing = { limit: 100 }) =>
        browsed(transport.deadLetters.browse({ source: from, group }, browsing)),
    };
    applications.push(application);
    return application;
  };

  const untilVirtual = async (
    condition: () => boolean | Promise<boolean>,
    what: string,
    limit: number,
  ): Promise<void> => {
    const virtual = under.clock!;
    const last = virtual.now() + limit;
    for (;;) {
      // Time passes only when nothing happens any more without it.
      for (let idle = 0, before = changes; idle < 30; idle++) {
        if (await condition()) return;
        await turns(1);
        if (changes !== before) idle = 0;
        before = changes;
      }
      if (virtual.nextAt === undefined) {
        // Nothing is left to wait for but what needs real time: the machine's own asynchronous work.
        const deadline = performance.now() + 50;
        while (performance.now() < deadline) {
          if (await condition()) return;
          await turns(1);
        }
        if (virtual.nextAt === undefined)
          assert.fail(`waited for ${what}, and nothing is left that could bring it about`);
      }
      if (virtual.nextAt > last) assert.fail(`waited ${limit} ms for ${what}`);
      virtual.advanceToNext();
    }
  };

  const untilReal = async (
    condition: () => boolean | Promise<boolean>,
    what: string,
    limit: number,
  ): Promise<void> => {
    const deadline = performance.now() + limit;
    while (!(await condition())) {
      if (performance.now() > deadline) assert.fail(`waited ${limit} ms for ${what}`);
      await new Promise<void>((resolve) => {
        const done = (): void => {
          clearTimeout(timer);
          waiting.delete(done);
          resolve();
        };
        const timer = setTimeout(done, LOOK_AGAIN);
        waiting.add(done);
      });
    }
  };

  return {
    broker: under.broker,
    capabilities: under.broker.open(baseEnvironment()).capabilities,
    clock,
    topic: (name = 'topic') => `${mark}.${name}`,
    queue: (name = 'queue') => ({ kind: 'queue', name: `${mark}.${name}` }),
    group: (name = 'group') => `${mark}-${name}`,
    prepare,
    async open(environment, broker) {
      const application = prepare(environment, broker);
      await application.transport.connect();
      return application;
    },
    async serve(handlers = [], options = {}) {
      const service = createService(under, baseEnvironment(), handlers, options, changed);
      services.push(service);
      used.push(service.used);
      await service.engine.start();
      service.engine.open();
      return service;
    },
    until: (condition, what, limit = under.patience ?? LIMIT) =>
      under.clock ? untilVirtual(condition, what, limit) : untilReal(condition, what, limit),
    hook(name) {
      const given = under[name];
      if (given !== undefined) return given as Hooks[typeof name];
      assert.fail(
        `the test broker has no hook '${name}': give it, or say in 'lacks' why it has no meaning here`,
      );
    },
    async end() {
      await Promise.all(services.map(({ engine }) => engine.close()));
      await Promise.all(applications.map(({ transport }) => transport.close()));
      await under.cleanup?.(used);
    },
  };
}
