import { Kafka, logLevel, type Admin } from 'kafkajs';
import { platformaticLacks } from './platformatic.js';

/** The brokers of all tests, as `host:port`, or several with commas between; tests never pass for want of one. */
export function kafkaBrokers(): string {
  const brokers = process.env['KAFKA_BROKERS'];
  if (!brokers)
    throw new Error(
      'KAFKA_BROKERS is not set: start a broker with `npm run brokers -- up kafka`, and set what `npm run --silent brokers -- env` prints',
    );
  return brokers;
}

export interface KafkaDriver {
  readonly name: 'kafkajs' | 'platformatic';
  /** Why it cannot run here. */
  readonly missing?: string | undefined;
}

export const kafkaDrivers: readonly KafkaDriver[] = [
  { name: 'kafkajs' },
  { name: 'platformatic', missing: platformaticLacks },
];

/** A plain client, which knows nothing of the module. */
export function plainKafka(brokers = kafkaBrokers()): Kafka {
  return new Kafka({ clientId: 'plain', brokers: brokers.split(','), logLevel: logLevel.NOTHING });
}

/** Lets a plain client look and tidy up. */
export async function administrate<T>(act: (admin: Admin) => Promise<T>, brokers?: string): Promise<T> {
  const admin = plainKafka(brokers).admin();
  await admin.connect();
  try {
    return await act(admin);
  } finally {
    await admin.disconnect();
  }
}

/** Writes one message as a producer that knows nothing of the module. */
export async function writeRecord(
  topic: string,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Promise<void> {
  const producer = plainKafka().producer();
  await producer.connect();
  try {
    await producer.send({ topic, messages: [{ value: JSON.stringify(value), headers: { ...headers } }] });
  } finally {
    await producer.disconnect();
  }
}

/** Deletes what applications made on the broker under a namespace of a test's own. */
export async function removeNamespace(namespace: string): Promise<void> {
  const own = (name: string): boolean => name.startsWith(`${namespace}.`);
  await administrate(async (admin) => {
    const topics = (await admin.listTopics()).filter(own);
    if (topics.length > 0) await admin.deleteTopics({ topics });
    const { groups } = await admin.listGroups();
    for (const { groupId } of groups.filter((group) => own(group.groupId)))
      // One that still has a member, as for a while after a process was killed, cannot be deleted; or it has just gone.
      await admin.deleteGroups([groupId]).catch(() => undefined);
  });
}
