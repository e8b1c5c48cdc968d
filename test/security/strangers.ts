import { PublishCommand, type MessageAttributeValue } from '@aws-sdk/client-sns';
import { CreateTopicCommand } from '@aws-sdk/client-sns';
import { connect } from 'amqplib';
import {
  awsCredentials,
  awsEndpoint,
  awsRegion,
  plainAws,
  removeNamespace as removeFromAws,
} from '../support/aws.js';
import type { ForeignHeader, ForeignMessage } from '../support/arbitrary.js';
import {
  kafkaBrokers,
  kafkaDrivers,
  plainKafka,
  removeNamespace as removeFromKafka,
} from '../support/kafka.js';
import { rabbitmqUrl, removeNamespace as removeFromRabbitmq } from '../support/rabbitmq.js';
import type { BrokerConfig } from '../faults/application.js';

/** A broker, and one who publishes to it without having heard of the module. */
export interface Strange {
  readonly name: string;
  /** Why it cannot run here. */
  readonly missing?: string | undefined;
  readonly broker: () => BrokerConfig;
  /** Answers how many went: some no client can send. */
  readonly publish: (
    namespace: string,
    topic: string,
    messages: readonly ForeignMessage[],
  ) => Promise<number>;
  readonly remove: (namespace: string, service: string, topics: readonly string[]) => Promise<void>;
}

const sendable = (name: string): boolean => name !== '' && Buffer.byteLength(name) < 256;

/** amqplib knows bytes as buffers alone. */
const field = (value: ForeignHeader): unknown => (value instanceof Uint8Array ? Buffer.from(value) : value);

const rabbitmq: Strange = {
  name: 'RabbitMQ',
  broker: () => ({ name: 'rabbitmq', options: { url: rabbitmqUrl() } }),
  async publish(namespace, topic, messages) {
    const connection = await connect(rabbitmqUrl());
    try {
      const channel = await connection.createConfirmChannel();
      let sent = 0;
      for (const { body, contentType, id, headers } of messages) {
        const properties = {
          ...(contentType !== undefined && sendable(contentType) && { contentType }),
          ...(id !== undefined && sendable(id) && { messageId: id }),
          headers: Object.fromEntries(
            headers.filter(([name]) => sendable(name)).map(([name, value]) => [name, field(value)]),
          ),
        };
        try {
          channel.publish(namespace, topic, Buffer.from(body), properties);
          sent++;
        } catch {
          // A table whose keys are amqplib's own notation; nothing was sent.
        }
      }
      await channel.waitForConfirms();
      return sent;
    } finally {
      await connection.close();
    }
  },
  remove: (namespace, service, topics) =>
    removeFromRabbitmq(namespace, {
      services: [service],
      subscriptions: topics.map((topic) => `${service}.${topic}`),
    }),
};

const bytesOf = (value: ForeignHeader): Buffer =>
  value instanceof Uint8Array
    ? Buffer.from(value)
    : Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

const kafka = ({ name: driver, missing }: (typeof kafkaDrivers)[number]): Strange => ({
  name: `Kafka with ${driver}`,
  missing,
  broker: () => ({
    name: 'kafka',
    options: { brokers: kafkaBrokers().split(','), driver, partitions: 1, sessionTimeout: '6s' },
  }),
  async publish(namespace, topic, messages) {
    const producer = plainKafka().producer();
    await producer.connect();
    try {
      await producer.send({
        topic: `${namespace}.${topic}`,
        messages: messages.map(({ body, contentType, id, headers }) => ({
          value: Buffer.from(body),
          headers: Object.fromEntries([
            ...headers.map(([name, value]) => [name, bytesOf(value)] as const),
            ...(contentType === undefined ? [] : [['content-type', contentType] as const]),
            ...(id === undefined ? [] : [['ce_id', id] as const]),
          ]),
        })),
      });
      return messages.length;
    } finally {
      await producer.disconnect();
    }
  },
  remove: removeFromKafka,
});

/** Names of attributes that SNS takes; it takes bytes and numbers, too, and ten of them pass raw delivery. */
const ATTRIBUTE = /^(?!aws\.|amazon\.|\.)(?!.*\.\.)[A-Za-z0-9_.-]{1,256}(?<!\.)$/i;

function attribute(value: ForeignHeader): MessageAttributeValue {
  if (value instanceof Uint8Array)
    return { DataType: 'Binary', BinaryValue: value.length > 0 ? value : Buffer.from('x') };
  if (typeof value === 'number' && Number.isInteger(value))
    return { DataType: 'Number', StringValue: String(value) };
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  return { DataType: 'String', StringValue: xml(text) || 'x' };
}

/** What SQS takes as text. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html */
const xml = (text: string): string =>
  // oxlint-disable-next-line no-control-regex
  text.replaceAll(/[^\u0009\u000a\u000d\u0020-\ud7ff\ue000-\ufffd]/g, '');

const aws: Strange = {
  name: 'AWS',
  broker: () => ({
    name: 'aws',
    options: { region: awsRegion, endpoint: awsEndpoint(), client: { credentials: awsCredentials } },
  }),
  publish: (namespace, topic, messages) =>
    plainAws(async (sns) => {
      const Name = `${namespace}_${topic}`;
      const { TopicArn } = await sns.send(new CreateTopicCommand({ Name }));
      for (const { body, id, contentType, headers } of messages) {
        const all: (readonly [string, ForeignHeader])[] = [
          ...(id === undefined ? [] : [['ce', JSON.stringify({ id })] as const]),
          ...(contentType === undefined ? [] : [['content-type', contentType] as const]),
          ...headers,
        ];
        const attributes = all.filter(([name]) => ATTRIBUTE.test(name)).slice(0, 10);
        await sns.send(
          new PublishCommand({
            TopicArn,
            Message: xml(Buffer.from(body).toString()) || ' ',
            MessageAttributes: Object.fromEntries(
              attributes.map(([name, value]) => [name, attribute(value)]),
            ),
          }),
        );
      }
      return messages.length;
    }),
  remove: (namespace) => removeFromAws(namespace),
};

/** Memory alone is missing: nothing outside of the process can reach it. */
export const strange: readonly Strange[] = [rabbitmq, ...kafkaDrivers.map(kafka), aws];
