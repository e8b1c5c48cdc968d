import { askForEach } from './ask-for-each.js';
import { DriverError } from './driver/driver-error.js';
import type { Client, Partition, Position } from './driver/driver.js';
import { driverError } from './errors.js';
import { byTopic } from './group/protocol.js';

/** What tells that a group has begun, for whoever looks at its positions. */
const BEGUN = 'nest-messaging: begun';

const NOBODY = { memberId: '', generation: -1 };

export interface Beginning {
  readonly client: Client;
  readonly group: string;
  /** What others publish to. */
  readonly topics: readonly string[];
  /** The subscription's own topic, to which nobody writes before it has begun. */
  readonly own: string;
  readonly from: 'now' | 'beginning';
}

/** How a subscription began, and whether the note is there that tells it has. */
export interface Begun {
  readonly how: 'begun' | 'known' | 'forgotten';
  readonly noted: boolean;
}

/**
 * A subscription that has never run begins with what is published from now on: the ends of all partitions are kept as
 * its positions once, before anybody reads. Whatever has no position later on (partitions added, topics found) is read
 * from its first record.
 *
 * Answers `known` for one that has run before, and `forgotten` for one whose positions are gone: the broker drops those
 * of a group without members after `offsets.retention.minutes`, 7 days by default. What tells that one from a new one
 * is a note in the subscription's own topic.
 */
export async function begin({ client, group, topics, own, from }: Beginning): Promise<Begun> {
  const [committed, ends] = await Promise.all([
    client.committed(group, [own, ...topics]),
    client.offsets(own, 'latest'),
  ]);
  const noted = ends.some((offset) => offset > 0);
  if (committed.length > 0) return { how: 'known', noted };
  if (noted) return { how: 'forgotten', noted };
  const positions = await askForEach([own, ...topics], async (topic) => {
    const offsets = await client.offsets(topic, from === 'now' && topic !== own ? 'latest' : 'earliest');
    return offsets.map((offset, partition) => ({ topic, partition, offset, metadata: BEGUN }));
  });
  try {
    await setPositions(client, group, positions.flat());
  } catch (error) {
    if (driverError(error).code === 'TOPIC_AUTHORIZATION_FAILED') {
      // Where the user may read other topics, theirs are kept, which would look as if it had begun.
      await client.deleteGroup(group).catch(() => undefined);
      throw error;
    }
    // The group has members: this module's have begun before they joined.
    if ((await client.committed(group, [own, ...topics])).length === 0) throw error;
    return { how: 'known', noted };
  }
  return { how: 'begun', noted };
}

/**
 * Sets the positions of a group without members.
 * @throws {DriverError} if one of them is refused; others may be set by then. `UNKNOWN_MEMBER_ID`: it has members, and
 * nothing is set
 */
export async function setPositions(
  client: Client,
  group: string,
  positions: readonly Parameters<Client['commit']>[1][number][],
): Promise<void> {
  const outcomes = await client.commit({ group, ...NOBODY }, positions);
  const refusal = outcomes.find((outcome) => outcome !== undefined);
  if (refusal) throw refusal;
}

export interface Resuming {
  readonly client: Client;
  readonly group: string;
  readonly partitions: readonly Partition[];
  /** Records before `earliest` were deleted before they were handled. */
  readonly onGap: (position: Position, earliest: number) => void;
}

/**
 * Where to read on in partitions of a group, in their order, or why that is not known of a topic now.
 * @throws {DriverError} if it is known of none
 */
export async function resume(parts: Resuming): Promise<(Position | DriverError)[]> {
  const { client, group, partitions, onGap } = parts;
  const topics = [...byTopic(partitions).keys()];
  const [committed, told] = await Promise.all([
    client.committed(group, topics),
    askForEach(topics, (topic) =>
      client.offsets(topic, 'earliest').catch((error: unknown) => driverError(error)),
    ),
  ]);
  const earliest = new Map(topics.map((topic, at) => [topic, told[at]!]));
  return partitions.map((one) => {
    const offsets = earliest.get(one.topic)!;
    if (offsets instanceof DriverError) return offsets;
    const first = offsets[one.partition] ?? 0;
    const kept = committed.find(({ topic, partition }) => topic === one.topic && partition === one.partition);
    if (kept && kept.offset < first) onGap(kept, first);
    return { ...one, offset: Math.max(kept?.offset ?? first, first) };
  });
}
