import * as v from 'valibot';
import {
  checkName,
  checkOptions,
  ConfigurationError,
  countSchema,
  durationSchema,
  timeoutSchema,
  type Broker,
  type BrokerFactory,
  type Duration,
  type Topology,
} from '../contract/index.js';
import { handlerDefaultsSchema, type Codec, type HandlerDefaults, type Telemetry } from '../engine/index.js';
import { publishedEntries, type Published } from './published.js';
import { retiredSchema, type RetiredHandler } from './retired.js';

/** How much may wait to be published, and for how long. */
export interface PublishLimits {
  /**
   * Longest that a publish takes: for room, for the broker, for its confirmation. Then it rejects with `OverloadError`
   * (nothing was sent) or `PublishTimeoutError` (the outcome is unknown). A duration.
   * @default '10s'
   */
  readonly timeout?: Duration;
  /**
   * Messages on their way to the broker at a time. As many callers again may wait for room; the next one gets
   * `OverloadError` at once.
   * @default 10_000
   */
  readonly maxPending?: number;
  /** Bytes on their way to the broker at a time; as many again may wait. @default 67_108_864 (64 MiB) */
  readonly maxPendingBytes?: number;
}

/** One broker connection. */
export interface ConnectionOptions extends Published {
  /** A broker such as `rabbitmq({ url })`, or its URL. @default memory() */
  readonly broker?: Broker | string;
  /** Prefix of all names on the broker, so that several systems or environments can share it. @default none */
  readonly namespace?: string;
  /** Whether the module may create what is missing on the broker, only check it, or neither. @default 'create' */
  readonly topology?: Topology;
  /** For handlers that say nothing else. */
  readonly defaults?: HandlerDefaults;
  readonly publish?: PublishLimits;
  /** Largest body sent or parsed, in bytes. @default 1_048_576 (1 MiB) */
  readonly maxBodySize?: number;
  /**
   * Longest that connecting takes at start, and subscribing after it; then the application does not start. On RabbitMQ
   * subscriptions are declared in turn, and wait for each other as long as the broker goes on answering.
   * @default '30s'
   */
  readonly connectTimeout?: Duration;
}

export interface MessagingModuleOptions extends ConnectionOptions {
  /** Names the application and is its handlers' default group. May be left out on memory alone. */
  readonly service?: string;
  /** Further brokers by name; what they leave out they take from here, the broker apart. */
  readonly connections?: Readonly<Record<string, ConnectionOptions>>;
  /** Factories of the transports whose URLs are used, for bundlers and strict layouts. @default loaded when needed */
  readonly transports?: readonly BrokerFactory<any>[];
  /** Longest that running handlers may take to end at shutdown. @default '25s' */
  readonly drainTimeout?: Duration;
  /** Handlers that are no more, and what becomes of the messages that still come for them. @default none */
  readonly retired?: readonly RetiredHandler[];
  /** How payloads become bytes. @default JSON */
  readonly codec?: Codec;
  /** What traces and measures, such as `openTelemetry()` of `@nest-messaging/opentelemetry`. @default none, which costs nothing */
  readonly telemetry?: Telemetry;
}

const brokerSchema = v.custom<Broker | string>(
  (value) => typeof value === 'string' || (typeof value === 'object' && value !== null && 'open' in value),
  "a broker such as memory() or rabbitmq({ url }), or a URL such as 'amqp://host'",
);

const connectionEntries = {
  broker: v.optional(brokerSchema),
  namespace: v.optional(v.string()),
  topology: v.optional(v.picklist(['create', 'validate', 'none'])),
  defaults: v.optional(handlerDefaultsSchema),
  publish: v.optional(
    v.strictObject({
      timeout: v.optional(timeoutSchema),
      maxPending: v.optional(countSchema),
      maxPendingBytes: v.optional(countSchema),
    }),
  ),
  maxBodySize: v.optional(countSchema),
  connectTimeout: v.optional(timeoutSchema),
  ...publishedEntries,
};

const optionsSchema: v.GenericSchema<MessagingModuleOptions> = v.strictObject({
  ...connectionEntries,
  service: v.optional(v.string()),
  connections: v.optional(v.record(v.string(), v.strictObject(connectionEntries))),
  transports: v.optional(
    v.array(
      v.custom<BrokerFactory<any>>(
        (value) => typeof value === 'function' && 'fromUrl' in value,
        'a transport such as rabbitmq',
      ),
    ),
  ),
  drainTimeout: v.optional(durationSchema),
  retired: v.optional(v.array(retiredSchema)),
  codec: v.optional(
    v.custom<Codec>(
      (value) => typeof (value as Codec)?.decode === 'function',
      'a codec with encode and decode',
    ),
  ),
  telemetry: v.optional(
    v.custom<Telemetry>(
      (value) => typeof value === 'function',
      'a function such as openTelemetry() of @nest-messaging/opentelemetry answers',
    ),
  ),
});

/** @throws {ConfigurationError} naming the path, the value found and the valid ones */
export function checkModuleOptions(options: unknown): MessagingModuleOptions {
  const checked = checkOptions(optionsSchema, options, 'MessagingModule options');
  if (checked.service !== undefined) checkName('service', checked.service);
  for (const { namespace } of [checked, ...Object.values(checked.connections ?? {})])
    if (namespace !== undefined) checkName('namespace', namespace);
  if ('default' in (checked.connections ?? {}))
    throw new ConfigurationError(
      "MessagingModule options.connections.default: the module's own broker is the default connection; name this one otherwise",
    );
  return checked;
}
