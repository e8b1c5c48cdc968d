import { randomBytes } from 'node:crypto';
import {
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import {
  CreateTopicCommand,
  ListSubscriptionsCommand,
  ListTopicsCommand,
  PublishCommand,
  SNSClient,
  SubscribeCommand,
  UnsubscribeCommand,
} from '@aws-sdk/client-sns';
import { aws } from '@nest-messaging/aws';
import type { Duration } from '@nest-messaging/core';
import type { TestBroker } from '@nest-messaging/testing/conformance';
import { queueName, subscriptionQueue, topicName } from '../../packages/aws/src/names.js';
import { startProxy } from '../../packages/rabbitmq/test/proxy.js';
import { awsClient, awsCredentials, awsRegion, removeNamespace } from '../support/aws.js';

/** What the suite needs to run on an emulator, behind a proxy that can be cut. */
export interface AwsUnderTest {
  create(): Promise<TestBroker>;
  /** Deletes what all guarantees made. */
  removeRest(): Promise<void>;
}

/**
 * @param endpoint of the emulator; asked for when the first guarantee is shown
 * @param visibilityTimeout longer than the emulator needs to carry out what is asked of it
 */
export function awsUnderTest(endpoint: () => string, visibilityTimeout: Duration = '6s'): AwsUnderTest {
  const namespace = `c${randomBytes(4).toString('hex')}`;
  let count = 0;
  return {
    // A service of its own for each guarantee: what waits is in one queue a service, and there the polls that another
    // guarantee has cut would still take what is due.
    create: () => onEmulator(endpoint(), { namespace, service: `s${++count}` }, visibilityTimeout),
    removeRest: () => removeNamespace(namespace, endpoint()),
  };
}

async function onEmulator(
  endpoint: string,
  environment: { readonly namespace: string; readonly service: string },
  visibilityTimeout: Duration,
): Promise<TestBroker> {
  const proxy = await startProxy(endpoint);
  const client = { credentials: awsCredentials };
  // Plain clients, which have never heard of the module.
  const sns = new SNSClient(awsClient(endpoint));
  const sqs = new SQSClient({ ...awsClient(endpoint), useQueueUrlAsEndpoint: false });
  return {
    broker: aws({
      region: awsRegion,
      endpoint: proxy.url,
      client,
      visibilityTimeout,
      discovery: '200ms',
    }),
    environment,
    stall: () => proxy.away(),
    away: () => proxy.away(),
    cut: async () => proxy.cut(),
    async vanish(subscription, owner) {
      const QueueName = subscriptionQueue(owner, subscription);
      const { QueueUrl } = await sqs.send(new GetQueueUrlCommand({ QueueName }));
      await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    },
    async foreign({ kind, name }, body, headers) {
      const MessageAttributes = Object.fromEntries(
        Object.entries(headers ?? {}).map(([key, value]) => [
          key,
          { DataType: 'String', StringValue: value },
        ]),
      );
      const text = Buffer.from(body).toString();
      if (kind === 'topic') {
        const { TopicArn } = await sns.send(
          new CreateTopicCommand({ Name: topicName(environment, name, false) }),
        );
        await sns.send(new PublishCommand({ TopicArn, Message: text, MessageAttributes }));
      } else {
        const { QueueUrl } = await sqs.send(
          new GetQueueUrlCommand({ QueueName: queueName(environment, name, false) }),
        );
        await sqs.send(new SendMessageCommand({ QueueUrl, MessageBody: text, MessageAttributes }));
      }
    },
    async listen(name, onBody) {
      const { TopicArn } = await sns.send(
        new CreateTopicCommand({ Name: topicName(environment, name, false) }),
      );
      const { QueueUrl } = await sqs.send(
        new CreateQueueCommand({ QueueName: `plain-${randomBytes(6).toString('hex')}` }),
      );
      const { Attributes } = await sqs.send(
        new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['QueueArn'] }),
      );
      const { SubscriptionArn } = await sns.send(
        new SubscribeCommand({
          TopicArn,
          Protocol: 'sqs',
          Endpoint: Attributes!.QueueArn,
          Attributes: { RawMessageDelivery: 'true' },
          ReturnSubscriptionArn: true,
        }),
      );
      const ended = new AbortController();
      const read = async (): Promise<void> => {
        while (!ended.signal.aborted) {
          const { Messages = [] } = await sqs.send(
            new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds: 1, MaxNumberOfMessages: 10 }),
          );
          for (const { Body, ReceiptHandle } of Messages) {
            onBody(Buffer.from(Body!));
            await sqs.send(new DeleteMessageCommand({ QueueUrl, ReceiptHandle }));
          }
        }
      };
      const reading = read();
      return async () => {
        ended.abort();
        await reading;
        await sns.send(new UnsubscribeCommand({ SubscriptionArn }));
        await sqs.send(new DeleteQueueCommand({ QueueUrl }));
      };
    },
    async made(names) {
      const isOurs = (name: string): boolean =>
        name.split(/_|--/).some((word) => names.some((ours) => word === ours || word.startsWith(`${ours}-`)));
      const last = (text = ''): string => text.split(/[:/]/).at(-1)!;
      const { QueueUrls = [] } = await sqs.send(
        new ListQueuesCommand({ QueueNamePrefix: `${environment.namespace}_`, MaxResults: 1_000 }),
      );
      const queues = QueueUrls.map(last).filter(isOurs);
      const topics = (await pages((NextToken) => sns.send(new ListTopicsCommand({ NextToken })))).flatMap(
        ({ Topics = [] }) => Topics.map(({ TopicArn }) => last(TopicArn)),
      );
      const attached = (
        await pages((NextToken) => sns.send(new ListSubscriptionsCommand({ NextToken })))
      ).flatMap(({ Subscriptions = [] }) => Subscriptions);
      return [
        ...queues.map((name) => ({ kind: 'queue', name })),
        ...topics.filter(isOurs).map((name) => ({ kind: 'topic', name })),
        ...attached
          .filter(({ Endpoint }) => queues.includes(last(Endpoint)))
          .map(({ TopicArn, Endpoint }) => ({
            kind: 'subscription',
            name: `${last(TopicArn)} → ${last(Endpoint)}`,
          })),
      ];
    },
    unreachable: {
      broker: aws({
        region: awsRegion,
        endpoint: 'http://127.0.0.1:1',
        client: { credentials: { accessKeyId: 'someone', secretAccessKey: 's3cret' } },
      }),
      address: '127.0.0.1:1',
      secret: 's3cret',
    },
    async cleanup() {
      sns.destroy();
      sqs.destroy();
      await proxy.close();
    },
  };
}

/** SNS lists a hundred at a time. */
async function pages<Page extends { readonly NextToken?: string }>(
  ask: (token: string | undefined) => Promise<Page>,
): Promise<Page[]> {
  const all: Page[] = [];
  let token: string | undefined;
  do {
    const page = await ask(token);
    all.push(page);
    token = page.NextToken;
  } while (token);
  return all;
}
