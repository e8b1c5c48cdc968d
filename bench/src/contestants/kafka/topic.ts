import { Kafka, logLevel } from 'kafkajs';
import type { Place } from '../../contestant.js';

/** As many as the module makes by default. */
export const PARTITIONS = 12;

/** Ours and peers take several brokers; here is one. */
export const client = ({ url }: Place): Kafka =>
  new Kafka({ clientId: 'bench', brokers: [url], logLevel: logLevel.ERROR });

/** Makes a peer's topic, as the module makes its own. */
export async function makeTopic(place: Place): Promise<void> {
  const admin = client(place).admin();
  await admin.connect();
  if (!(await admin.listTopics()).includes(place.name))
    await admin.createTopics({ topics: [{ topic: place.name, numPartitions: PARTITIONS }] });
  await admin.disconnect();
}
