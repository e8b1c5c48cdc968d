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

/** What both of the SDK's clients take: `credentials`, `retryMode`, `maxAttempts`, `useFipsEndpoint` … */
export type SharedClientConfig = Omit<
  SNSClientConfig & SQSClientConfig,
  'endpoint' | 'region' | 'requestHandler'
>;

/** Options of `aws()`. Account and credentials come from the SDK's own chain of providers. */
export interface AwsOptions {
  /** @default what the SDK finds: `AWS_REGION`, or the profile's */
  readonly region?: string;
  /** For an emulator. @default the service's own, or `AWS_ENDPOINT_URL` and its kin, which the SDK reads */
  readonly endpoint?: string;
  /**
   * Largest body in bytes, refused before sending. SNS takes 256 KiB with all attributes, and a body that is no text
   * grows by a third, because it has to be written as text.
   * @default 180_000
   * @see https://docs.aws.amazon.com/sns/latest/dg/sns-message-size.html
   */
  readonly maxBodySize?: number;
  /** How long a publish, or a deletion, may wait for others to share its request. With 0 each goes alone. @default '3ms' */
  readonly linger?: Duration;
  /**
   * For how long others do not see a message that a process has taken; prolonged while its handler runs. If the process
   * dies, the message comes again after that.
   * @default '30s'
   */
  readonly visibilityTimeout?: Duration;
  /** How often to look for new topics that match a pattern. @default '30s' */
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
   * A filter policy of its subscription, as SNS has it; set when the subscription is made, and changed with it.
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

/** Everything in milliseconds. */
export interface ResolvedOptions {
  readonly maxBodySize: number;
  readonly linger: number;
  readonly visibilityTimeout: number;
  readonly discovery: number;
  readonly sns: SNSClientConfig;
  readonly sqs: SQSClientConfig;
}

const defaults = { maxBodySize: 180_000, linger: '3ms', visibilityTimeout: '30s', discovery: '30s' } as const;

/** SQS's own limits of the visibility time-out. */
const VISIBILITY = { least: 1_000, most: 12 * 60 * 60 * 1_000 };

const config = v.custom<Record<string, unknown>>(
  (value) => typeof value === 'object' && value !== null,
  'an object',
);

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
  return {
    maxBodySize: given.maxBodySize ?? defaults.maxBodySize,
    linger: milliseconds(given.linger ?? defaults.linger),
    visibilityTimeout: milliseconds(given.visibilityTimeout ?? defaults.visibilityTimeout),
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
