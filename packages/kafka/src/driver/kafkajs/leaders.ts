import { brokerError } from '../driver-error.js';
import type { MetadataAnswer } from './library.js';

const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;

/**
 * The leader of each partition in its order, -1 where there is none, of those topics that exist.
 * @throws DriverError if the broker may not tell of a topic, or such a name cannot be
 */
export function leadersOf({ topicMetadata }: MetadataAnswer): Map<string, number[]> {
  const leaders = new Map<string, number[]>();
  for (const { topic, topicErrorCode, partitionMetadata } of topicMetadata) {
    if (topicErrorCode === UNKNOWN_TOPIC_OR_PARTITION || topicErrorCode === LEADER_NOT_AVAILABLE) continue;
    if (topicErrorCode !== 0)
      throw brokerError(topicErrorCode, `The broker does not tell of the topic ${topic}.`);
    const leading: number[] = partitionMetadata.map(() => -1);
    for (const { partitionId, leader } of partitionMetadata) leading[partitionId] = leader;
    leaders.set(topic, leading);
  }
  return leaders;
}
