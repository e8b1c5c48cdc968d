import { checkOptions, ConfigurationError, countSchema } from '@nest-messaging/core/contract';
import type { Options, RecoveryOptions, SocketOptions } from 'amqplib';
import * as v from 'valibot';

/**
 * Everything amqplib takes, passed through untouched: what it calls connection options, socket options (those of
 * `net.connect`, and of `tls.connect` for `amqps:`) and `recovery`. Where the URL's query says the same, this wins.
 * @see https://amqp-node.github.io/amqplib/channel_api.html#connect
 */
export type ClientOptions = SocketOptions &
  Pick<Options.Connect, 'heartbeat' | 'frameMax' | 'maxFrameSize' | 'channelMax' | 'locale'> & {
    /**
     * How amqplib reconnects.
     * @default { initialDelay: 100, maxDelay: 5_000, factor: 2, jitter: 0.2 }, milliseconds, without end
     */
    readonly recovery?: RecoveryOptions;
  };

/** Options of `rabbitmq()`. */
export interface RabbitMqOptions {
  /**
   * `amqp://user:password@host:port/vhost`, or `amqps:` for TLS. Left out, user and password are `guest`, the port is
   * 5672 (5671 for TLS), the virtual host `/`. Percent-encode what is special in a URL.
   * @throws {ConfigurationError} if it is no such URL; the error never shows it
   * @see https://www.rabbitmq.com/docs/uri-spec
   */
  readonly url: string;
  /**
   * Type of the queues that handlers take from, and of their dead letters. `quorum` keeps messages on several nodes and
   * counts deliveries, so that a message that kills its process is set aside; `classic` does neither. What exists on
   * the broker keeps its type: a change is refused at start-up until the queue is deleted or the namespace changes.
   * The module's delay queues are always quorum queues, because only those hand over without loss.
   * @default 'quorum'
   * @see https://www.rabbitmq.com/docs/quorum-queues
   */
  readonly queueType?: 'quorum' | 'classic';
  /**
   * Largest body in bytes, refused before sending. Raise it together with the broker's `max_message_size`, which is
   * 16 MiB from RabbitMQ 4.0 on and 128 MiB before.
   * @default 16_777_216
   * @see https://www.rabbitmq.com/docs/configure#config-items
   */
  readonly maxBodySize?: number;
  /**
   * Passed to amqplib as it is: TLS (`ca`, `cert`, `key`, `servername` …), `heartbeat` (seconds), `noDelay`,
   * `clientProperties`, `recovery` …
   * @default { heartbeat: 10, noDelay: true, keepAlive: true }
   */
  readonly client?: ClientOptions;
}

/**
 * What a handler may give under `rabbitmq`, to consume from a topology that is not the module's. Nothing given here
 * is created: exchange and queue must exist.
 */
export interface RabbitMqHandlerOptions {
  /**
   * Takes from this exchange instead of the module's: the handler's own queue is bound to it.
   * A wrong `type` is refused where the broker lets it be known.
   */
  readonly exchange?: { readonly name: string; readonly type: 'topic' | 'fanout' | 'direct' };
  /** Takes from this queue instead of one of the handler's own. It keeps its type, arguments and bindings. */
  readonly queue?: string;
  /**
   * Binding key between the queue and `exchange`.
   * @default the handler's topic, pattern or queue name; with `queue`, no binding is made unless this is given
   */
  readonly bind?: string;
}

/**
 * What a publish may give under `rabbitmq`, to reach an exchange that is not the module's. The message goes there and
 * nowhere else; whether a queue takes it is the exchange's affair. Excludes `delay`.
 */
export interface RabbitMqPublishOptions {
  /** Its name; `''` is the default exchange, whose routing keys are queue names. It must exist. */
  readonly exchange: string;
  /** @default the topic or queue published to */
  readonly routingKey?: string;
}

declare module '@nest-messaging/core/contract' {
  interface BrokerHandlerOptions {
    /** For an exchange or a queue that is not the module's own. */
    readonly rabbitmq?: RabbitMqHandlerOptions;
  }
  interface BrokerPublishOptions {
    /** For an exchange that is not the module's own. */
    readonly rabbitmq?: RabbitMqPublishOptions;
  }
}

export interface ResolvedOptions {
  readonly url: string;
  readonly queueType: 'quorum' | 'classic';
  readonly maxBodySize: number;
  readonly client: ClientOptions;
}

export const defaults = {
  queueType: 'quorum',
  maxBodySize: 16 * 1024 * 1024,
  client: { noDelay: true, keepAlive: true },
  /** Seconds; the broker's own wish is 60. */
  heartbeat: 10,
  /** Back within the time in which health is expected to recover, even after a long outage. */
  recovery: { initialDelay: 100, maxDelay: 5_000, factor: 2, jitter: 0.2 },
} as const;

function isAmqpUrl(url: string): boolean {
  if (!/^amqps?:\/\//.test(url) || !URL.canParse(url)) return false;
  try {
    const { username, password, pathname } = new URL(url);
    for (const part of [username, password, pathname]) decodeURIComponent(part);
    return true;
  } catch {
    return false;
  }
}

const amqpUrl = v.pipe(v.string(), v.check(isAmqpUrl, 'a URL such as amqp://user:password@host:5672/vhost'));
/** AMQP carries names as short strings. */
const shortString = v.pipe(
  v.string(),
  v.check((text) => Buffer.byteLength(text) < 256, 'at most 255 bytes'),
);
const name = v.pipe(shortString, v.nonEmpty('a name'));

const optionsSchema: v.GenericSchema<RabbitMqOptions> = v.strictObject({
  url: amqpUrl,
  queueType: v.optional(v.picklist(['quorum', 'classic'])),
  maxBodySize: v.optional(countSchema),
  client: v.optional(
    v.custom<ClientOptions>((value) => typeof value === 'object' && value !== null, 'an object'),
  ),
});

const handlerSchema: v.GenericSchema<RabbitMqHandlerOptions> = v.strictObject({
  exchange: v.optional(v.strictObject({ name, type: v.picklist(['topic', 'fanout', 'direct']) })),
  queue: v.optional(name),
  bind: v.optional(shortString),
});

const publishSchema: v.GenericSchema<RabbitMqPublishOptions> = v.strictObject({
  exchange: shortString,
  routingKey: v.optional(shortString),
});

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function resolveOptions(options: RabbitMqOptions): ResolvedOptions {
  const { url, queueType, maxBodySize, client } = checkOptions(optionsSchema, options, 'rabbitmq');
  return {
    url,
    queueType: queueType ?? defaults.queueType,
    maxBodySize: maxBodySize ?? defaults.maxBodySize,
    client: { ...defaults.client, ...client, recovery: { ...defaults.recovery, ...client?.recovery } },
  };
}

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function handlerOptions(given: unknown): RabbitMqHandlerOptions {
  if (given === undefined) return {};
  const options = checkOptions(handlerSchema, given, 'rabbitmq');
  if (options.bind !== undefined && !options.exchange)
    throw new ConfigurationError(
      "rabbitmq.bind stands without rabbitmq.exchange: say what to bind to, such as exchange: { name: 'legacy', type: 'topic' }",
    );
  return options;
}

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function publishOptions(given: unknown): RabbitMqPublishOptions | undefined {
  return given === undefined ? undefined : checkOptions(publishSchema, given, 'rabbitmq');
}
