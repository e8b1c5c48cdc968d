import {
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListQueuesCommand,
  SQSClient,
} from '@aws-sdk/client-sqs';
import {
  CreateTopicCommand,
  DeleteTopicCommand,
  ListTopicsCommand,
  PublishCommand,
  SNSClient,
} from '@aws-sdk/client-sns';

/** The emulator of all tests; tests never pass for want of one. */
export function awsEndpoint(): string {
  const endpoint = process.env['AWS_ENDPOINT_URL'];
  if (!endpoint)
    throw new Error(
      'AWS_ENDPOINT_URL is not set: start an emulator with `npm run brokers -- up aws`, and set what `npm run --silent brokers -- env` prints',
    );
  return endpoint;
}

export const awsRegion = 'eu-west-1';

/** The SDK demands some, and an emulator takes any. */
export const awsCredentials = { accessKeyId: 'test', secretAccessKey: 'test' };

/** What a client of the SDK is told in tests, whatever the machine is set up for. */
export const awsClient = (endpoint = awsEndpoint()) => ({
  endpoint,
  region: awsRegion,
  credentials: awsCredentials,
});

/** The same as options of the module. */
export const awsOptions = () => ({
  endpoint: awsEndpoint(),
  region: awsRegion,
  client: { credentials: awsCredentials },
});

/** The same for whoever finds all this out by himself, as a process of its own does. */
export const awsEnvironment = (): Record<string, string> => ({
  AWS_ENDPOINT_URL: awsEndpoint(),
  AWS_REGION: awsRegion,
  AWS_ACCESS_KEY_ID: awsCredentials.accessKeyId,
  AWS_SECRET_ACCESS_KEY: awsCredentials.secretAccessKey,
});

/** Plain clients, which know nothing of the module; ended when `use` has. */
export async function plainAws<T>(
  use: (sns: SNSClient, sqs: SQSClient) => Promise<T>,
  endpoint = awsEndpoint(),
): Promise<T> {
  const [sns, sqs] = [
    new SNSClient(awsClient(endpoint)),
    new SQSClient({ ...awsClient(endpoint), useQueueUrlAsEndpoint: false }),
  ];
  try {
    return await use(sns, sqs);
  } finally {
    sns.destroy();
    sqs.destroy();
  }
}

/** The names that the module gives, for namespaces and topics without `_` and `-`. */
const written = (namespace: string, name: string): string => `${namespace}_${name.replaceAll('.', '_')}`;

/** Publishes JSON as one who knows nothing of the module. */
export function publishToSns(
  namespace: string,
  topic: string,
  payload: unknown,
  attributes: Readonly<Record<string, string>> = {},
): Promise<void> {
  return plainAws(async (sns) => {
    // Answers the ARN of one that exists.
    const { TopicArn } = await sns.send(new CreateTopicCommand({ Name: written(namespace, topic) }));
    const MessageAttributes = Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [name, { DataType: 'String', StringValue: value }]),
    );
    await sns.send(new PublishCommand({ TopicArn, Message: JSON.stringify(payload), MessageAttributes }));
  });
}

/** How many messages a subscription's queue still keeps, in hand or not. */
export function countInSqs(namespace: string, subscription: string): Promise<number> {
  return plainAws(async (_, sqs) => {
    const { QueueUrl } = await sqs.send(
      new GetQueueUrlCommand({ QueueName: written(namespace, subscription) }),
    );
    const { Attributes = {} } = await sqs.send(
      new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ['All'] }),
    );
    const kinds = ['', 'NotVisible', 'Delayed'] as const;
    return kinds.reduce((sum, kind) => sum + Number(Attributes[`ApproximateNumberOfMessages${kind}`]), 0);
  });
}

/** Deletes what applications made under a namespace of a test's own. */
export function removeNamespace(namespace: string, endpoint = awsEndpoint()): Promise<void> {
  return plainAws(async (sns, sqs) => {
    const { QueueUrls = [] } = await sqs.send(
      new ListQueuesCommand({ QueueNamePrefix: `${namespace}_`, MaxResults: 1_000 }),
    );
    for (const QueueUrl of QueueUrls) await sqs.send(new DeleteQueueCommand({ QueueUrl }));
    let NextToken: string | undefined;
    do {
      const page = await sns.send(new ListTopicsCommand({ NextToken }));
      for (const { TopicArn } of page.Topics ?? [])
        if (TopicArn?.includes(`:${namespace}_`)) await sns.send(new DeleteTopicCommand({ TopicArn }));
      NextToken = page.NextToken;
    } while (NextToken);
  }, endpoint);
}
