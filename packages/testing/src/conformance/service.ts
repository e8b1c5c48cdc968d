import type {
  DeadLetterContent,
  Destination,
  Environment,
  EventContract,
  Subscription,
} from '@nest-messaging/core/contract';
import {
  createEngine,
  type BatchContext,
  type BatchHandlerOptions,
  type Engine,
  type EngineEvent,
  type HandlerDefaults,
  type HandlerOptions,
  type Invoke,
  type MessageContext,
  type PublishOptions,
} from '@nest-messaging/core/engine';
import type { TestBroker, Used } from './test-broker.js';

/** A handler as a test writes it. */
export type HandlerDraft = { readonly on: string | Destination | EventContract<any, any> } & (
  | {
      readonly options?: HandlerOptions & { readonly batch?: undefined };
      readonly handle: (payload: any, context: MessageContext) => unknown;
    }
  | {
      readonly options: BatchHandlerOptions;
      readonly handleBatch: (payloads: any[], batch: BatchContext) => unknown;
    }
);

export interface ServiceOptions {
  readonly service?: string;
  readonly defaults?: HandlerDefaults;
  readonly maxBodySize?: number;
  /** Milliseconds until a publish gives up. */
  readonly publishTimeout?: number;
}

/** A service as an application has it: the engine, with what happened in it. */
export interface Service {
  readonly engine: Engine;
  readonly events: readonly EngineEvent[];
  /** Publishes an event, or sends a task where `to` is a queue. */
  readonly publish: (
    to: string | Destination | EventContract<any, any>,
    payload: unknown,
    options?: PublishOptions,
  ) => Promise<void>;
  /** How often something happened. */
  readonly count: (type: EngineEvent['type']) => number;
  readonly deadLetters: (of: string | Destination, group?: string) => Promise<DeadLetterContent[]>;
  readonly used: Used;
}

/** Retries soon, so that a test of attempts need not wait for them. */
const PROMPT: HandlerDefaults = { retry: { attempts: 3, backoff: { initial: 0 } } };

const sourceOf = (on: HandlerDraft['on']): Destination => {
  if (typeof on === 'string') return { kind: 'topic', name: on };
  return 'kind' in on ? on : { kind: 'topic', name: on.topic };
};

export function createService(
  { broker, createEngine: create = createEngine }: Pick<TestBroker, 'broker' | 'createEngine'>,
  environment: Environment,
  handlers: readonly HandlerDraft[],
  {
    service = environment.service,
    defaults,
    maxBodySize = 1_000_000,
    publishTimeout = 30_000,
  }: ServiceOptions,
  onChange: () => void,
): Service {
  const events: EngineEvent[] = [];
  const subscriptions: Subscription[] = [];
  const destinations: Destination[] = [];
  const { connection, namespace, topology, connectTimeout, clock } = environment;
  const engine = create({
    broker,
    connection,
    service,
    namespace,
    topology,
    connectTimeout,
    clock,
    publish: { timeout: publishTimeout, maxPending: 1_000, maxPendingBytes: 64_000_000 },
    maxBodySize,
    defaults: [PROMPT, defaults],
    observe(event) {
      events.push(event);
      onChange();
    },
  });
  for (const [i, handler] of handlers.entries()) {
    const { on, options = {} } = handler;
    const source = sourceOf(on);
    engine.register({
      label: `handler ${i + 1}`,
      source,
      contract: typeof on === 'object' && 'topic' in on ? on : undefined,
      options,
      invoke: ('handle' in handler ? handler.handle : handler.handleBatch) as Invoke,
    });
    const { group = service, ordered = false, broadcast = false } = options;
    subscriptions.push({ source, group, ordered, broadcast, maxUnsettled: 1 });
  }
  return {
    engine,
    events,
    used: { environment: { ...environment, service }, subscriptions, destinations },
    publish(to, payload, options) {
      const { kind, name } = sourceOf(to);
      destinations.push({ kind, name });
      return engine.publish(kind, typeof to === 'object' && 'topic' in to ? to : name, payload, options);
    },
    count: (wanted) => events.filter(({ type }) => type === wanted).length,
    async deadLetters(of, group = service) {
      const { letters } = await engine.deadLetters.list({ source: sourceOf(of), group }, { payload: true });
      return letters as DeadLetterContent[];
    },
  };
}
