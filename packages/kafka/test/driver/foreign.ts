import { Kafka, logLevel } from 'kafkajs';
import { kafkaBrokers } from '../../../../test/support/kafka.js';
import { brokerDoor, type Broker } from '../../src/driver/kafkajs/library.js';

/** What the drivers need not be able to do. */
export interface ForeignBroker extends Broker {
  deleteTopics(request: { readonly topics: readonly string[] }): Promise<unknown>;
  createPartitions(request: {
    readonly topicPartitions: readonly { readonly topic: string; readonly count: number }[];
  }): Promise<unknown>;
  disconnect(): Promise<void>;
}

/** kafkajs as an application would have it, which has never heard of the module. */
export function foreignKafka(): Kafka {
  return new Kafka({ brokers: kafkaBrokers().split(','), clientId: 'foreign', logLevel: logLevel.NOTHING });
}

/** Asks one broker something that the drivers have no request for. */
export async function askBroker<Answer>(ask: (broker: ForeignBroker) => Promise<Answer>): Promise<Answer> {
  const [host = '', port] = kafkaBrokers().split(',')[0]!.split(':');
  const broker = (await brokerDoor(foreignKafka(), { host, port: Number(port) })) as ForeignBroker;
  await broker.connect();
  try {
    return await ask(broker);
  } finally {
    await broker.disconnect();
  }
}
