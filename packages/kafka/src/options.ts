import type { ConnectionOptions as TlsOptions } from 'node:tls';
import {
  checkOptions,
  ConfigurationError,
  countSchema,
  milliseconds,
  timeoutSchema,
  durationSchema,
  type Duration,
} from '@nest-messaging/core/contract';
import * as v from 'valibot';

const DRIVERS = ['kafkajs', 'platformatic'] as const;
const COMPRESSIONS = ['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const;
const PASSWORD_MECHANISMS = ['plain', 'scram-sha-256', 'scram-sha-512'] as const;

export type DriverName = (typeof DRIVERS)[number];
export type Compression = (typeof COMPRESSIONS)[number];

/** How the application logs in. */
export type Sasl =
  | {
      readonly mechanism: (typeof PASSWORD_MECHANISMS)[number];
      readonly username: string;
      readonly password: string;
    }
  | {
      readonly mechanism: 'oauthbearer';
      /** Called for each login; the client library asks again when a connection is made anew. */
      readonly token: () => string | Promise<string>;
    };

/** Options of `kafka()`. */
export interface KafkaOptions {
  /** Where to find the cluster, `host:port` each; the port is 9092 if it is left out. One that answers is enough. */
  readonly brokers: readonly string[];
  /**
   * The client library, a peer dependency: `kafkajs` on every Node, `platformatic` (`@platformatic/kafka` 2) on
   * Node ≥ 22.22 or ≥ 24.6. Members with different drivers share a group.
   * @default 'kafkajs'
   */
  readonly driver?: DriverName;
  /** TLS: `true`, or the options of `tls.connect`, such as `ca`, `cert` and `key`. @default false */
  readonly tls?: boolean | TlsOptions;
  /** How to log in. @default not at all */
  readonly sasl?: Sasl;
  /**
   * Partitions of the topics and queues that the module creates: at most as many processes of a group share one.
   * What exists keeps what it has.
   * @default 12
   */
  readonly partitions?: number;
  /** Replicas of what the module creates. @default the broker's `default.replication.factor` */
  readonly replicas?: number;
  /**
   * More settings of the events' topics that the module creates, such as `{ 'retention.ms': '604800000' }`.
   * @default the broker's own
   * @see https://kafka.apache.org/documentation/#topicconfigs
   */
  readonly topicConfig?: Readonly<Record<string, string>>;
  /** Compression of what is published. What others published is read whatever it is. @default 'none' */
  readonly compression?: Compression;
  /**
   * How long a publish may wait for others to share its request. With 0 it shares with what is published in the same
   * turn of the event loop, and while an earlier request is under way.
   * @default 0
   */
  readonly linger?: Duration;
  /**
   * Largest body in bytes, refused before sending; key and headers may have 48,000 besides. Raise it together with the topics' `max.message.bytes`, which is
   * 1,048,588 by default, and holds headers and key, too.
   * @default 1_000_000
   */
  readonly maxBodySize?: number;
  /** Without a sign of life for so long, a process counts as dead, and others take over its partitions. @default '30s' */
  readonly sessionTimeout?: Duration;
  /**
   * How long running handlers may hold up a partition that goes to another process. Those that take longer are told by
   * their context's `signal`, and their messages are delivered there, too.
   * @default '60s'
   */
  readonly rebalanceTimeout?: Duration;
  /** How often to look for new topics that match a pattern, and for added partitions. @default '10s' */
  readonly discovery?: Duration;
  /** The driver's own options, untouched; they win over what the module sets. @default {} */
  readonly client?: Readonly<Record<string, unknown>>;
}

/** What a handler may give under `kafka`. */
export interface KafkaHandlerOptions {
  /**
   * Where a subscription begins that has never run: with what is published from then on, or with all that is kept.
   * @default 'now'
   */
  readonly from?: 'now' | 'beginning';
}

declare module '@nest-messaging/core/contract' {
  interface BrokerHandlerOptions {
    /** What only Kafka can do. */
    readonly kafka?: KafkaHandlerOptions;
  }
}

/** Everything in milliseconds. */
export interface ResolvedOptions {
  readonly brokers: readonly string[];
  readonly driver: DriverName;
  readonly tls: TlsOptions | undefined;
  readonly sasl: Sasl | undefined;
  readonly partitions: number;
  readonly replicas: number;
  readonly topicConfig: Readonly<Record<string, string>>;
  readonly compression: Compression;
  readonly linger: number;
  readonly maxBodySize: number;
  readonly sessionTimeout: number;
  readonly rebalanceTimeout: number;
  readonly discovery: number;
  readonly client: Readonly<Record<string, unknown>>;
}

const defaults = {
  driver: 'kafkajs',
  partitions: 12,
  replicas: -1,
  compression: 'none',
  linger: 0,
  maxBodySize: 1_000_000,
  sessionTimeout: '30s',
  rebalanceTimeout: '60s',
  discovery: '10s',
} as const;

const DEFAULT_PORT = 9092;

/** `host`, `host:port` or `[::1]:port`. */
const HOST = /^(\[[0-9a-fA-F:.]+\]|[A-Za-z0-9._-]+)(?::(\d{1,5}))?$/;

const host = v.pipe(
  v.string(),
  v.check((text) => HOST.test(text), "'host:port'"),
);

const filled = v.pipe(v.string(), v.nonEmpty('a text that is not empty'));

const optionsSchema: v.GenericSchema<KafkaOptions> = v.strictObject({
  brokers: v.pipe(v.array(host), v.minLength(1, "at least one 'host:port'")),
  driver: v.optional(v.picklist(DRIVERS)),
  tls: v.optional(
    v.union([v.boolean(), v.custom<TlsOptions>((value) => typeof value === 'object' && value !== null)]),
  ),
  sasl: v.optional(
    v.variant('mechanism', [
      v.strictObject({ mechanism: v.picklist(PASSWORD_MECHANISMS), username: filled, password: filled }),
      v.strictObject({
        mechanism: v.literal('oauthbearer'),
        token: v.custom<() => string | Promise<string>>((value) => typeof value === 'function', 'a function'),
      }),
    ]),
  ),
  partitions: v.optional(countSchema),
  replicas: v.optional(countSchema),
  topicConfig: v.optional(v.record(v.string(), v.string())),
  compression: v.optional(v.picklist(COMPRESSIONS)),
  linger: v.optional(durationSchema),
  maxBodySize: v.optional(countSchema),
  sessionTimeout: v.optional(timeoutSchema),
  rebalanceTimeout: v.optional(timeoutSchema),
  discovery: v.optional(timeoutSchema),
  client: v.optional(
    v.custom<Record<string, unknown>>((value) => typeof value === 'object' && value !== null, 'an object'),
  ),
});

const handlerSchema: v.GenericSchema<KafkaHandlerOptions> = v.strictObject({
  from: v.optional(v.picklist(['now', 'beginning'])),
});

const withPort = (broker: string): string =>
  HOST.exec(broker)?.[2] === undefined ? `${broker}:${DEFAULT_PORT}` : broker;

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function resolveOptions(options: KafkaOptions): ResolvedOptions {
  const given = checkOptions(optionsSchema, options, 'kafka');
  return {
    brokers: given.brokers.map(withPort),
    driver: given.driver ?? defaults.driver,
    tls: given.tls === true ? {} : given.tls === false ? undefined : given.tls,
    sasl: given.sasl,
    partitions: given.partitions ?? defaults.partitions,
    replicas: given.replicas ?? defaults.replicas,
    topicConfig: given.topicConfig ?? {},
    compression: given.compression ?? defaults.compression,
    linger: milliseconds(given.linger ?? defaults.linger),
    maxBodySize: given.maxBodySize ?? defaults.maxBodySize,
    sessionTimeout: milliseconds(given.sessionTimeout ?? defaults.sessionTimeout),
    rebalanceTimeout: milliseconds(given.rebalanceTimeout ?? defaults.rebalanceTimeout),
    discovery: milliseconds(given.discovery ?? defaults.discovery),
    client: given.client ?? {},
  };
}

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function handlerOptions(given: unknown): KafkaHandlerOptions {
  return given === undefined ? {} : checkOptions(handlerSchema, given, 'kafka');
}

const EXPECTED = "expected 'kafka://user:password@host:9092,host2:9092', or kafkas: for TLS";

/** What a URL's query may set. */
const QUERY: Readonly<Record<string, (text: string) => Partial<KafkaOptions>>> = {
  driver: (text) => ({ driver: text as DriverName }),
  partitions: (text) => ({ partitions: Number(text) }),
  replicas: (text) => ({ replicas: Number(text) }),
  compression: (text) => ({ compression: text as Compression }),
};

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (cause) {
    throw new ConfigurationError(`the broker URL is not percent-encoded as a URL is: ${EXPECTED}`, { cause });
  }
}

/**
 * `kafka://user:password@host:9092,host2:9092?driver=platformatic`; `kafkas:` is TLS. The query may hold `driver`,
 * `partitions`, `replicas`, `compression` and `mechanism` (`plain` where there is a user, or `scram-sha-256`,
 * `scram-sha-512`).
 * @throws {ConfigurationError} that never shows the URL
 */
export function optionsOfUrl(url: string): KafkaOptions {
  // Several hosts with ports are no URL to `new URL`.
  const [, scheme, user, password, hosts, query] =
    /^(kafkas?):\/\/(?:([^:@/?]*)(?::([^@/?]*))?@)?([^@/?]+)\/?(?:\?(.*))?$/i.exec(url) ?? [];
  if (hosts === undefined) throw new ConfigurationError(`the broker URL cannot be read: ${EXPECTED}`);
  const parameters = new URLSearchParams(query);
  if (user === undefined && parameters.has('mechanism'))
    throw new ConfigurationError(
      `the broker URL holds a mechanism of logging in without a user: ${EXPECTED}`,
    );
  const mechanism = parameters.get('mechanism') ?? 'plain';
  parameters.delete('mechanism');
  let options: KafkaOptions = { brokers: hosts.split(',') };
  if (scheme!.toLowerCase() === 'kafkas') options = { ...options, tls: true };
  if (user !== undefined)
    options = {
      ...options,
      sasl: { mechanism, username: decoded(user), password: decoded(password ?? '') } as Sasl,
    };
  for (const [name, value] of parameters) {
    const set = Object.hasOwn(QUERY, name) ? QUERY[name] : undefined;
    if (!set)
      throw new ConfigurationError(
        `unknown option ${name} in the broker URL's query: valid are ${Object.keys(QUERY).join(', ')}, mechanism`,
      );
    options = { ...options, ...set(value) };
  }
  return options;
}
