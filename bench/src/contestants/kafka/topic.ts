import { connect } from 'node:net';
import { Kafka, logLevel, type ISocketFactory, type KafkaConfig } from 'kafkajs';
import type { Place } from '../../contestant.js';

/** As many as the module makes by default. */
export const PARTITIONS = 12;

/** Ours and peers take several brokers; here is one. */
export const client = ({ url }: Place, settings: Pick<KafkaConfig, 'socketFactory'> = {}): Kafka =>
  new Kafka({ clientId: 'bench', brokers: [url], logLevel: logLevel.ERROR, ...settings });

/** kafkajs's own, but for Nagle's algorithm, which ours and `@platformatic/kafka` turn off. */
export const socketFactory: ISocketFactory = ({ host, port, onConnect }) =>
  connect({ host, port, keepAlive: true, keepAliveInitialDelay: 60_000, noDelay: true }, onConnect);

/** Makes a peer's topic, as the module makes its own. */
export async function makeTopic(place: Place): Promise<void> {
  const admin = client(place).admin();
  await admin.connect();
  if (!(await admin.listTopics()).includes(place.name))
    await admin.createTopics({ topics: [{ topic: place.name, numPartitions: PARTITIONS }] });
  await admin.disconnect();
}
