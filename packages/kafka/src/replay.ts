import {
  describeSubscription,
  isPattern,
  matches,
  TopologyError,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import { DriverError } from './driver/driver-error.js';
import type { Client } from './driver/driver.js';
import { setPositions } from './positions.js';
import { matching, subscriptionNames, topicName, type Owner } from './topology.js';

/**
 * Sets the positions of a subscription back to the first record, or to the first that is as young as `from`.
 * @throws {TopologyError} if a process runs it, or none ever did
 * @throws {DriverError} if Kafka cannot be reached, or refuses
 */
export async function replay(
  client: Client,
  owner: Owner,
  id: SubscriptionId,
  from: 'beginning' | number,
): Promise<void> {
  const what = describeSubscription(id);
  const { group, retry } = subscriptionNames(owner, id);
  const running = (count: number, cause?: unknown): TopologyError =>
    new TopologyError(
      `${what} is running in ${count} ${count === 1 ? 'process' : 'processes'}, members of consumer group '${group}': stop or pause it everywhere, then replay`,
      { cause },
    );
  const members = await client.members(group);
  if (members > 0) throw running(members);
  const { source } = id;
  const topics = isPattern(source.name)
    ? matching(owner, (event) => matches(source.name, event), await client.topics())
    : [topicName(owner, source)];
  const committed = await client.committed(group, [retry, ...topics]);
  if (committed.length === 0)
    throw new TopologyError(`${what} has no positions on Kafka that could be set back: it has never run`);
  const positions = await askForEach(topics, async (topic) => {
    const [offsets, earliest] = await Promise.all([
      client.offsets(topic, from === 'beginning' ? 'earliest' : Math.floor(from)),
      client.offsets(topic, 'earliest'),
    ]);
    return offsets.map((offset, partition) => {
      const now = committed.find((one) => one.topic === topic && one.partition === partition);
      // Back, never forward: what is still to be handled is not skipped.
      const last = now?.offset ?? earliest[partition] ?? 0;
      return { topic, partition, offset: Math.min(offset, last) };
    });
  });
  try {
    await setPositions(client, group, positions.flat());
  } catch (error) {
    if (!(error instanceof DriverError && error.code === 'UNKNOWN_MEMBER_ID')) throw error;
    // One has joined since they were counted: then the broker takes positions from members alone.
    throw running(Math.max(await client.members(group), 1), error);
  }
}
