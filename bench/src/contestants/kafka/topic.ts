import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
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

/** How often it is asked whether the broker knows a new topic, in milliseconds. */
const PERIOD = 50;

/** Makes a peer's topic, as the module makes its own. */
export async function makeTopic(place: Place): Promise<void> {
  const topic = place.name;
  const admin = client(place).admin();
  await admin.connect();
  const isKnown = async (): Promise<boolean> => (await admin.listTopics()).includes(topic);
  if (!(await isKnown()))
    await admin.createTopics({ topics: [{ topic, numPartitions: PARTITIONS }], waitForLeaders: false });
  // A broker answers that it is made before it knows it. kafkajs's own wait takes that for a topic that does not exist.
  while (!(await isKnown())) await wait(PERIOD);
  await admin.disconnect();
}
