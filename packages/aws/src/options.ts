import type { SNSClientConfig } from '@aws-sdk/client-sns';
import type { SQSClientConfig } from '@aws-sdk/client-sqs';
import {
  checkOptions,
  ConfigurationError,
  countSchema,
  durationSchema,
  milliseconds,
  timeoutSchema,
  type Duration,
} from '@nest-messaging/core/contract';
import * as v from 'valibot';

/** What both of the SDK's clients take: `credentials`, `useFipsEndpoint`, `useDualstackEndpoint` … */
export type SharedClientConfig = Omit<
  SNSClientConfig & SQSClientConfig,
  'endpoint' | 'region' | 'requestHandler'
>;

/** What the S3 client takes, in types that are there without its package, which is optional. */
export type S3ClientSettings = Omit<SQSClientConfig, 'useQueueUrlAsEndpoint' | 'md5'> & {
  /** `https://host/bucket/key` instead of `https://bucket.host/key`; some emulators want it. */
  readonly forcePathStyle?: boolean;
  readonly followRegionRedirects?: boolean;
  readonly useAccelerateEndpoint?: boolean;
  readonly useArnRegion?: boolean;
};

/**
 * Where bodies go that are too large for a message; the message then holds a pointer, as Amazon's extended client
 * libraries write and read it. Needs the package `@aws-sdk/client-s3`. The module deletes none of them: other
 * subscriptions and dead letters may need them still; the bucket's lifecycle rule does.
 * @see https://github.com/awslabs/amazon-sqs-java-extended-client-lib
 */
export interface LargePayloads {
  /** A bucket that is there. Only pointers into it are followed. */
  readonly bucket: string;
  /**
   * Messages larger than this, in bytes, leave their body in the bucket; attributes count, as SNS and SQS count them.
   * With 0 all do.
   * @default 262_144, which is what SNS takes
   * @see https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html
   */
  readonly above?: number;
  /** Begins the keys of its own objects, such as `'billing/'`; those of others are read wherever they are. @default '' */
  readonly prefix?: string;
  /** Passed to the S3 client, over `client`. @default {} */
  readonly client?: S3ClientSettings;
}

/** Options of `aws()`. Account and credentials come from the SDK's own chain of providers. */
export interface AwsOptions {
  /** @default what the SDK finds: `AWS_REGION`, or the profile's */
  readonly region?: string;
  /** For an emulator. @default the service's own, or `AWS_ENDPOINT_URL` and its kin, which the SDK reads */
  readonly endpoint?: string;
  /**
   * Largest body in bytes, refused before sending. SNS takes 256 KiB with all attributes, and a body that is no text
   * grows by a third, because it has to be written as text. The module's own `maxBodySize` goes with it.
   * @default 180_000; with `largePayloads` 16 MiB
   * @see https://docs.aws.amazon.com/sns/latest/dg/sns-message-size.html
   */
  readonly maxBodySize?: number;
  /** Where bodies go that are too large for a message. @default nowhere: they are refused */
  readonly largePayloads?: LargePayloads;
  /**
   * How long a publish, or a deletion, may wait for others to share its request; a publish does so only while others of its
   * topic or queue are on their way. With 0 each goes alone. @default '3ms'
   */
  readonly linger?: Duration;
  /**
   * For how long others do not see a message that a process has taken; prolonged while its handler runs. If the process
   * dies, the message comes again after that.
   * @default '30s'
   */
  readonly visibilityTimeout?: Duration;
  /**
   * How long a request waits for messages, from 1 s to 20 s: longer ones cost less while nothing comes.
   * @default '20s'
   */
  readonly longPoll?: Duration;
  /**
   * How often to look for new topics that match a pattern, and whether subscriptions are still there: AWS deletes them
   * with their topic. @default '30s'
   */
  readonly discovery?: Duration;
  /** Passed to both of the SDK's clients as it is. @default {} */
  readonly client?: SharedClientConfig;
  /** Passed to the SNS client, over `client`. @default {} */
  readonly sns?: SNSClientConfig;
  /** Passed to the SQS client, over `client`. @default {} */
  readonly sqs?: SQSClientConfig;
}

/** What a handler may give under `aws`. */
export interface AwsHandlerOptions {
  /**
   * A filter policy of its subscription, as SNS has it; set when the subscription is made, and changed with it, where the
   * topology is `create`. Up to 1.5 KB of it are told by tags of the queue to whoever makes a topic for a pattern.
   * @see https://docs.aws.amazon.com/sns/latest/dg/sns-subscription-filter-policies.html
   */
  readonly filterPolicy?: Readonly<Record<string, unknown>>;
  /** What the policy looks at. @default 'MessageAttributes' */
  readonly filterPolicyScope?: 'MessageAttributes' | 'MessageBody';
}

declare module '@nest-messaging/core/contract' {
  interface BrokerHandlerOptions {
    /** What only SNS can do. */
    readonly aws?: AwsHandlerOptions;
  }
}

export interface ResolvedLargePayloads {
  readonly bucket: string;
  /** Bytes. */
  readonly above: number;
  readonly prefix: string;
  readonly client: S3ClientSettings;
}

/** Everything in milliseconds. */
export interface ResolvedOptions {
  readonly maxBodySize: number;
  readonly largePayloads: ResolvedLargePayloads | undefined;
  readonly linger: number;
  readonly visibilityTimeout: number;
  readonly longPoll: number;
  readonly discovery: number;
  readonly sns: SNSClientConfig;
  readonly sqs: SQSClientConfig;
}

const defaults = {
  maxBodySize: 180_000,
  linger: '3ms',
  visibilityTimeout: '30s',
  longPoll: '20s',
  discovery: '30s',
} as const;

/** What SNS takes unless a topic says otherwise, and what is right where S3 takes the rest. */
const payloadDefaults = { above: 256 * 1024, prefix: '', maxBodySize: 16 * 1024 * 1024 } as const;

/** SQS's own limits of the visibility time-out. */
const VISIBILITY = { least: 1_000, most: 12 * 60 * 60 * 1_000 };

const config = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null,
  'an object',
);

const payloadsSchema = v.strictObject({
  bucket: v.pipe(
    v.string(),
    v.regex(
      /^([a-z0-9][a-z0-9.-]{1,61}[a-z0-9]|arn:.+)$/,
      'the name of a bucket, or the ARN of an access point',
    ),
  ),
  above: v.optional(
    v.pipe(
      v.number(),
      v.integer('a whole number'),
      v.minValue(0, 'at least 0'),
      v.maxValue(payloadDefaults.above, `at most ${payloadDefaults.above}, which is what SNS takes`),
    ),
  ),
  // Of 1,024 characters of a key, its own part takes 36.
  prefix: v.optional(
    v.pipe(v.string(), v.regex(/^[A-Za-z0-9./_-]{0,988}$/, "letters, digits, '.', '/', '_' and '-'")),
  ),
  client: v.optional(config),
});

const optionsSchema = v.strictObject({
  region: v.optional(v.pipe(v.string(), v.regex(/^[a-z0-9-]+$/, "a region such as 'eu-west-1'"))),
  endpoint: v.optional(
    v.pipe(
      v.string(),
      v.check(
        (text) => /^https?:\/\//.test(text) && URL.canParse(text),
        "a URL such as 'http://127.0.0.1:4566'",
      ),
    ),
  ),
  maxBodySize: v.optional(countSchema),
  largePayloads: v.optional(payloadsSchema),
  linger: v.optional(durationSchema),
  visibilityTimeout: v.optional(
    v.pipe(
      timeoutSchema,
      v.check((value) => {
        const ms = milliseconds(value);
        return ms >= VISIBILITY.least && ms <= VISIBILITY.most;
      }, 'a duration from 1 s to 12 h'),
    ),
  ),
  longPoll: v.optional(
    v.pipe(
      timeoutSchema,
      v.check((value) => {
        const ms = milliseconds(value);
        return ms >= 1_000 && ms <= 20_000;
      }, 'a duration from 1 s to 20 s'),
    ),
  ),
  discovery: v.optional(timeoutSchema),
  client: v.optional(config),
  sns: v.optional(config),
  sqs: v.optional(config),
}) as unknown as v.GenericSchema<AwsOptions>;

const handlerSchema: v.GenericSchema<AwsHandlerOptions> = v.strictObject({
  filterPolicy: v.optional(v.record(v.string(), v.unknown())),
  filterPolicyScope: v.optional(v.picklist(['MessageAttributes', 'MessageBody'])),
});

const defined = <T extends object>(values: T): Partial<T> =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>;

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function resolveOptions(options: AwsOptions): ResolvedOptions {
  const given = checkOptions(optionsSchema, options, 'aws');
  const shared = { ...defined({ region: given.region, endpoint: given.endpoint }), ...given.client };
  const { largePayloads } = given;
  return {
    maxBodySize: given.maxBodySize ?? (largePayloads ? payloadDefaults : defaults).maxBodySize,
    largePayloads: largePayloads && {
      bucket: largePayloads.bucket,
      above: largePayloads.above ?? payloadDefaults.above,
      prefix: largePayloads.prefix ?? payloadDefaults.prefix,
      client: { ...shared, ...largePayloads.client },
    },
    linger: milliseconds(given.linger ?? defaults.linger),
    visibilityTimeout: milliseconds(given.visibilityTimeout ?? defaults.visibilityTimeout),
    longPoll: milliseconds(given.longPoll ?? defaults.longPoll),
    discovery: milliseconds(given.discovery ?? defaults.discovery),
    sns: { ...shared, ...given.sns } as SNSClientConfig,
    sqs: { ...shared, ...given.sqs } as SQSClientConfig,
  };
}

/** @throws {ConfigurationError} naming the option, what was found and what is valid */
export function handlerOptions(given: unknown): AwsHandlerOptions {
  return given === undefined ? {} : checkOptions(handlerSchema, given, 'aws');
}

/**
 * `aws://eu-west-1`; `aws:` alone takes the region as the SDK finds it.
 * @throws {ConfigurationError} that never shows the URL
 */
export function optionsOfUrl(url: string): AwsOptions {
  const [, region, query] = /^aws:(?:\/\/([a-z0-9-]*)\/?)?(?:\?(.*))?$/i.exec(url) ?? [];
  if (region === undefined && query === undefined && url.toLowerCase() !== 'aws:')
    throw new ConfigurationError("the broker URL cannot be read: expected 'aws://eu-west-1', or 'aws:'");
  const parameters = new URLSearchParams(query);
  const endpoint = parameters.get('endpoint') ?? undefined;
  parameters.delete('endpoint');
  for (const name of parameters.keys())
    throw new ConfigurationError(`unknown option ${name} in the broker URL's query: valid is endpoint`);
  return { ...defined({ region: region || undefined, endpoint }) };
}
