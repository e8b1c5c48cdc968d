import * as v from 'valibot';
import {
  checkName,
  checkOptions,
  countSchema,
  durationSchema,
  milliseconds,
  timeoutSchema,
  type BrokerHandlerOptions,
  type Destination,
  type Duration,
  type Subscription,
} from '../contract/index.js';
import { layered, retryPolicy, retrySchema, type RetryOptions, type RetryPolicy } from './retry-policy.js';

/** What a connection or the whole module sets for the handlers that do not. */
export interface HandlerDefaults {
  /** Deliveries handled at a time in this process. @default 10 */
  readonly concurrency?: number;
  /** A handler that runs longer has failed; its context's signal aborts. @default '5m' */
  readonly timeout?: Duration;
  readonly retry?: RetryOptions;
}

/** How many messages a handler gets at a time. */
export interface BatchOptions {
  /** No batch is larger. */
  readonly size: number;
  /** A batch that is not full is handed over when its first message has waited so long. A duration. @default '1s' */
  readonly wait?: Duration;
}

export interface HandlerOptions extends HandlerDefaults, BrokerHandlerOptions {
  /** The processes that share the work. @default the service's name, or that of `MessagingModule.forFeature` */
  readonly group?: string;
  /** Every process gets every event, from when it starts; failures are retried here, the last one is logged. @default false */
  readonly broadcast?: boolean;
  /** Messages of one key one after the other, retries included. @default what the contract declares */
  readonly ordered?: boolean;
  /** Whether a message whose attempts are used up is set aside; otherwise it is logged and dropped. @default true */
  readonly deadLetter?: boolean;
  /**
   * The method gets an array of payloads and a `BatchContext`, and `concurrency` counts batches.
   * @default one message at a time
   */
  readonly batch?: BatchOptions;
  /** Name of the connection, of those in the module's `connections`. @default the module's own broker */
  readonly connection?: string;
}

/** Options of a handler of batches. */
export interface BatchHandlerOptions extends HandlerOptions {
  readonly batch: BatchOptions;
}

/** Names under which handlers may hold options of a transport, so that a typing error in one is still noticed. */
export const BROKER_KEYS = ['memory', 'rabbitmq', 'kafka', 'aws'] as const;

const defaultsEntries = {
  concurrency: v.optional(countSchema),
  timeout: v.optional(timeoutSchema),
  retry: v.optional(retrySchema),
};

export const handlerDefaultsSchema: v.GenericSchema<HandlerDefaults> = v.strictObject(defaultsEntries);

function handlerSchema(transport: string): v.GenericSchema<HandlerOptions> {
  return v.strictObject({
    ...defaultsEntries,
    group: v.optional(v.string()),
    broadcast: v.optional(v.boolean()),
    ordered: v.optional(v.boolean()),
    deadLetter: v.optional(v.boolean()),
    batch: v.optional(v.strictObject({ size: countSchema, wait: v.optional(durationSchema) })),
    connection: v.optional(v.string()),
    ...Object.fromEntries([...BROKER_KEYS, transport].map((key) => [key, v.optional(v.unknown())])),
  }) as unknown as v.GenericSchema<HandlerOptions>;
}

export interface ResolvedBatchOptions {
  readonly size: number;
  /** Milliseconds. */
  readonly wait: number;
}

/** A handler's options with every default filled in. */
export interface ResolvedHandlerOptions {
  readonly group: string;
  readonly broadcast: boolean;
  readonly ordered: boolean;
  readonly deadLetter: boolean;
  readonly concurrency: number;
  /** Milliseconds. */
  readonly timeout: number;
  readonly retry: RetryPolicy;
  readonly batch?: ResolvedBatchOptions;
  readonly brokerOptions?: unknown;
}

/** Where order holds, and where nothing but this process has the message, the engine itself waits and tries again. */
export function retriesInPlace({ ordered, broadcast }: ResolvedHandlerOptions): boolean {
  return ordered || broadcast;
}

/** Messages that wait behind a retry in place, beyond which the subscription pauses. */
const MAX_HELD = 1_000;

/** How many deliveries a handler may have in hand: all that run, or batches would never fill, and what is held in place. */
export function maxUnsettled(options: ResolvedHandlerOptions): number {
  const handled = options.concurrency * (options.batch?.size ?? 1);
  return retriesInPlace(options) ? Math.max(MAX_HELD, handled) : handled;
}

/** A handler's subscription, as the transport is told of it. */
export function subscriptionOf(source: Destination, options: ResolvedHandlerOptions): Subscription {
  const { group, ordered, broadcast, brokerOptions } = options;
  return { source, group, ordered, broadcast, maxUnsettled: maxUnsettled(options), brokerOptions };
}

/** @throws {ConfigurationError} naming the handler and the option */
export function resolveHandlerOptions(
  own: HandlerOptions,
  base: { group: string; ordered: boolean; transport: string; label: string },
  ...defaults: readonly (HandlerDefaults | undefined)[]
): ResolvedHandlerOptions {
  checkOptions(handlerSchema(base.transport), own, `${base.label} options`);
  const group = own.group ?? base.group;
  checkName('group', group);
  const layers: readonly (HandlerDefaults | undefined)[] = [...defaults, own];
  const merged: HandlerDefaults = layered(...layers);
  return {
    group,
    broadcast: own.broadcast ?? false,
    ordered: own.ordered ?? base.ordered,
    deadLetter: own.deadLetter ?? true,
    concurrency: merged.concurrency ?? 10,
    timeout: milliseconds(merged.timeout ?? '5m'),
    retry: retryPolicy(...layers.map((layer) => layer?.retry)),
    batch: own.batch && { size: own.batch.size, wait: milliseconds(own.batch.wait ?? '1s') },
    brokerOptions: (own as Record<string, unknown>)[base.transport],
  };
}
