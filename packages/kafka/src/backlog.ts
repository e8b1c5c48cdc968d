import {
  isPattern,
  matches,
  TopologyError,
  describeSubscription,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import type { Client } from './driver/driver.js';
import { matching, subscriptionNames, topicName, type Owner } from './topology.js';

/**
 * How many records of what a subscription reads are behind its positions, in all partitions and whoever reads them. Where
 * it has no position, it begins with the first record. What failed and is to come again is in a topic of its own, beside
 * notes of the module's, and is not counted.
 * @throws {TopologyError} if none of its processes ever ran
 * @throws {DriverError} if Kafka cannot be reached, or refuses
 */
export async function backlog(client: Client, owner: Owner, id: SubscriptionId): Promise<number> {
  const { group, retry } = subscriptionNames(owner, id);
  const { source } = id;
  const topics = isPattern(source.name)
    ? matching(owner, (event) => matches(source.name, event), await client.topics())
    : [topicName(owner, source)];
  const committed = await client.committed(group, [retry, ...topics]);
  if (committed.length === 0)
    throw new TopologyError(`${describeSubscription(id)} has no positions on Kafka: it has never run`);
  const behind = await askForEach(topics, async (topic) => {
    const [ends, earliest] = await Promise.all([
      client.offsets(topic, 'latest'),
      client.offsets(topic, 'earliest'),
    ]);
    return ends.map((end, partition) => {
      const kept = committed.find((one) => one.topic === topic && one.partition === partition);
      return Math.max(0, end - Math.max(kept?.offset ?? 0, earliest[partition] ?? 0));
    });
  });
  return behind.flat().reduce((sum, count) => sum + count, 0);
}
