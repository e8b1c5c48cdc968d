import { randomBytes } from 'node:crypto';
import { afterEach, jest } from '@jest/globals';
import {
  CreateBucketCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  ListObjectsV2Command,
  S3Client,
} from '@aws-sdk/client-s3';
import { DeleteTopicCommand, ListTopicsCommand, SNSClient } from '@aws-sdk/client-sns';
import {
  DeleteQueueCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SQSClient,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs';
import {
  systemClock,
  type Delivery,
  type Environment,
  type OutgoingMessage,
  type Settlement,
  type Subscription,
  type Transport,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { awsClient, awsCredentials, awsEndpoint, awsRegion } from '../../../../test/support/aws.js';
import { aws, type AwsOptions } from '../../src/index.js';

export const acknowledge: Settlement = { type: 'acknowledge' };
const failure = { name: 'TestError', message: 'as the test wants it', at: 1_700_000_000_000 };
export const retry = (delay: number): Settlement => ({ type: 'retry', delay, failure });
export const deadLetter: Settlement = { type: 'dead-letter', failure, attempts: 1 };

/** What a test gives `aws()`, whatever the machine is set up for. */
export const awsOptions = (): AwsOptions => ({
  region: awsRegion,
  endpoint: awsEndpoint(),
  client: { credentials: awsCredentials },
});

/** What one handler was given. */
export interface Probe {
  readonly seen: (Delivery & { readonly text: string })[];
}

type Send = (name: string, body: string | Uint8Array, more?: Partial<OutgoingMessage>) => Promise<void>;

export interface Application {
  readonly transport: Transport;
  readonly events: TransportEvent[];
  readonly warnings: string[];
  readonly publish: Send;
  readonly enqueue: Send;
  subscribe(
    source: Subscription['source'] | string,
    behaviour?: (delivery: Delivery) => Settlement,
    more?: Partial<Subscription>,
  ): Promise<Probe>;
}

export interface Stage {
  /** A word that no other test has: the namespace of its applications, and begins the names of all it makes. */
  readonly mark: string;
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly s3: S3Client;
  open(options?: AwsOptions, environment?: Partial<Environment>): Promise<Application>;
  /** Makes a bucket. */
  bucket(): Promise<string>;
  queueUrl(name: string): Promise<string>;
  /** Messages of a queue as the plain SDK has them; waits for so many. */
  receive(queueUrl: string, count?: number): Promise<SqsMessage[]>;
  /** Runs when the test has ended, latest first. */
  after(clean: () => unknown): void;
}

/** Beyond every wait inside a test, so that its own message is seen and not the runner's. */
jest.setTimeout(60_000);

/** Waits for what a test observes: bounded, never a fixed time. */
export async function until(condition: () => unknown, what: string, limit = 20_000): Promise<void> {
  const deadline = performance.now() + limit;
  while (!(await condition())) {
    if (performance.now() > deadline) throw new Error(`waited ${limit} ms for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** What a test has of AWS; all of it is closed and deleted when the test has ended. */
export function useStage(): () => Stage {
  const cleanups: (() => unknown)[] = [];
  let stage: Stage | undefined;

  const make = (): Stage => {
    const mark = `t${randomBytes(5).toString('hex')}`;
    const sns = new SNSClient(awsClient());
    const sqs = new SQSClient({ ...awsClient(), useQueueUrlAsEndpoint: false });
    const s3 = new S3Client({ ...awsClient(), forcePathStyle: true });
    const never = new AbortController().signal;
    const buckets: string[] = [];
    let messages = 0;

    const after: Stage['after'] = (clean) => void cleanups.push(clean);
    after(() => [sns, sqs, s3].forEach((client) => client.destroy()));
    after(async () => {
      await removeNamed(mark, sns, sqs);
      await Promise.all(buckets.map((bucket) => removeBucket(bucket, s3)));
    });

    return {
      mark,
      sns,
      sqs,
      s3,
      after,
      async open(options, environment) {
        const events: TransportEvent[] = [];
        const transport = aws({ ...awsOptions(), ...options }).open({
          connection: 'default',
          service: 'service',
          namespace: mark,
          topology: 'create',
          connectTimeout: 20_000,
          clock: systemClock,
          report: (event) => events.push(event),
          ...environment,
        });
        after(() => transport.close());
        await transport.connect();
        const send =
          (kind: 'topic' | 'queue'): Send =>
          (name, body, more) =>
            transport.publish(
              {
                id: `${mark}-${++messages}`,
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
              never,
            );
        return {
          transport,
          events,
          get warnings() {
            return events.flatMap((event) =>
              event.type === 'warning' ? [`${event.message}: ${(event.error as Error)?.message}`] : [],
            );
          },
          publish: send('topic'),
          enqueue: send('queue'),
          async subscribe(source, behaviour = () => acknowledge, more) {
            const seen: Probe['seen'] = [];
            await transport.subscribe(
              {
                source: typeof source === 'string' ? { kind: 'topic', name: source } : source,
                group: 'group',
                ordered: false,
                broadcast: false,
                maxUnsettled: 10,
                ...more,
              },
              async (delivery) => {
                seen.push({ ...delivery, text: Buffer.from(delivery.message.body).toString() });
                return behaviour(delivery);
              },
            );
            return { seen };
          },
        };
      },
      async bucket() {
        const bucket = `${mark}-${buckets.length}`;
        await s3.send(new CreateBucketCommand({ Bucket: bucket }));
        buckets.push(bucket);
        return bucket;
      },
      async queueUrl(name) {
        const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName: name }));
        return QueueUrl!;
      },
      async receive(QueueUrl, count = 1) {
        const found: SqsMessage[] = [];
        await until(async () => {
          const { Messages = [] } = await sqs.send(
            new ReceiveMessageCommand({
              QueueUrl,
              MaxNumberOfMessages: 10,
              WaitTimeSeconds: 1,
              MessageSystemAttributeNames: ['All'],
              MessageAttributeNames: ['All'],
            }),
          );
          found.push(...Messages);
          return found.length >= count;
        }, `${count} messages in ${QueueUrl}`);
        return found;
      },
    };
  };

  afterEach(async () => {
    stage = undefined;
    for (const clean of cleanups.splice(0).reverse()) await clean();
  });

  return () => (stage ??= make());
}

async function removeNamed(mark: string, sns: SNSClient, sqs: SQSClient): Promise<void> {
  const { QueueUrls = [] } = await sqs.send(
    new ListQueuesCommand({ QueueNamePrefix: mark, MaxResults: 1_000 }),
  );
  for (const QueueUrl of QueueUrls) await sqs.send(new DeleteQueueCommand({ QueueUrl }));
  let NextToken: string | undefined;
  do {
    const page = await sns.send(new ListTopicsCommand({ NextToken }));
    for (const { TopicArn } of page.Topics ?? [])
      if (TopicArn?.includes(`:${mark}`)) await sns.send(new DeleteTopicCommand({ TopicArn }));
    NextToken = page.NextToken;
  } while (NextToken);
}

async function removeBucket(Bucket: string, s3: S3Client): Promise<void> {
  const { Contents = [] } = await s3.send(new ListObjectsV2Command({ Bucket }));
  for (const { Key } of Contents) await s3.send(new DeleteObjectCommand({ Bucket, Key }));
  await s3.send(new DeleteBucketCommand({ Bucket }));
}
