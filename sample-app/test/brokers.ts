import {
  kafkaBrokers,
  kafkaDrivers,
  removeNamespace as removeFromKafka,
  writeRecord,
} from '../../test/support/kafka.js';
import {
  awsEnvironment,
  awsRegion,
  publishToSns,
  removeNamespace as removeFromAws,
} from '../../test/support/aws.js';
import { rabbitmqUrl } from '../../test/support/rabbitmq.js';
import { countMembers } from './kafka.js';
import { countConsumers, deleteAll, publishPlainly } from './rabbitmq.js';

/** A broker that several processes share, and what a test sees of it from outside. */
export interface SharedBroker {
  readonly name: string;
  /** Why the shop cannot run on it here. */
  readonly missing?: string | undefined;
  url(): string;
  /** What else a process must be told. */
  env?(): Record<string, string>;
  /** Processes at work, by what they work on; left out where the broker does not know them. */
  workers?(namespace: string): Promise<Record<string, number>>;
  /** What those work on who share the tasks. */
  readonly packers?: string;
  /** Publishes as one who has never heard of the module. */
  publish(namespace: string, topic: string, payload: unknown, correlationId: string): Promise<void>;
  removeAll(namespace: string): Promise<void>;
}

export const sharedBrokers: readonly SharedBroker[] = [
  {
    name: 'RabbitMQ',
    url: rabbitmqUrl,
    packers: 'parcel.pack',
    workers: countConsumers,
    publish: publishPlainly,
    removeAll: deleteAll,
  },
  ...kafkaDrivers.map(({ name, missing }) => ({
    name: `Kafka with ${name}`,
    missing,
    url: () => `kafka://${kafkaBrokers()}?driver=${name}`,
    packers: 'parcel.pack--queue',
    workers: countMembers,
    publish: (namespace: string, topic: string, payload: unknown, correlationId: string) =>
      writeRecord(`${namespace}.${topic}`, payload, { ce_correlationid: correlationId }),
    removeAll: removeFromKafka,
  })),
  {
    name: 'AWS',
    url: () => `aws://${awsRegion}`,
    env: awsEnvironment,
    publish: (namespace, topic, payload, correlationid) =>
      publishToSns(namespace, topic, payload, { ce: JSON.stringify({ correlationid }) }),
    removeAll: removeFromAws,
  },
];
