import { keyOf } from '../driver/by-topic.js';
import type { Partition } from '../driver/driver.js';
import type { Member } from './protocol.js';

/** `even`: everybody has as much as the others. `settled`: nothing moves while its owner is there. */
export type Sharing = 'even' | 'settled';

/**
 * Shares partitions among the members that want their topics: evenly for each topic, and as even as that allows over
 * all; whoever has a partition keeps it where that is fair.
 *
 * A partition that is to move goes to nobody at first: its owner sees that it is missing from what it is given,
 * finishes what it has in hand, and joins again without it; only then is it given to another. So nothing is handed over
 * twice for a rebalance, and the order of a key holds.
 */
export function assign(
  members: ReadonlyMap<string, Member>,
  partitions: ReadonlyMap<string, number>,
  sharing: Sharing = 'even',
): Map<string, Partition[]> {
  const assigned = new Map<string, Partition[]>([...members.keys()].sort().map((id) => [id, []]));
  const claims = claimsOf(members);
  /** What each is to have in the end: what is still on its way counts where it goes. */
  const load = new Map([...members.keys()].map((id) => [id, 0]));
  for (const topic of [...partitions.keys()].sort()) {
    const wanting = [...assigned.keys()].filter((id) => members.get(id)!.topics.includes(topic));
    if (wanting.length === 0) continue;
    const owners = Array.from({ length: partitions.get(topic)! }, (_, partition) =>
      claims.get(keyOf({ topic, partition })),
    );
    const targets = sharing === 'even' ? share(owners, wanting, load) : stay(owners, wanting, load);
    targets.forEach((target, partition) => {
      load.set(target, load.get(target)! + 1);
      const owner = owners[partition];
      if (owner === undefined || owner === target) assigned.get(target)!.push({ topic, partition });
    });
  }
  return assigned;
}

/** Who has each partition. A member that was away may claim what was given to another since: the later one has it. */
function claimsOf(members: ReadonlyMap<string, Member>): Map<string, string> {
  const claims = new Map<string, string>();
  for (const [id, { owned, generation }] of members)
    for (const partition of owned) {
      const key = keyOf(partition);
      const rival = claims.get(key);
      if (rival === undefined || members.get(rival)!.generation < generation) claims.set(key, id);
    }
  return claims;
}

/** Who is to have each partition of a topic. */
function share(
  owners: readonly (string | undefined)[],
  wanting: readonly string[],
  load: ReadonlyMap<string, number>,
): string[] {
  const least = Math.floor(owners.length / wanting.length);
  let extras = owners.length % wanting.length;
  const owns = new Map(wanting.map((id) => [id, owners.filter((owner) => owner === id).length]));
  const quota = new Map(wanting.map((id) => [id, least]));
  // One more goes first to those who have less of the other topics, then to those who have it already.
  const byNeed = [...wanting].sort((a, b) => load.get(a)! - load.get(b)! || owns.get(b)! - owns.get(a)!);
  for (const id of byNeed) if (extras-- > 0) quota.set(id, least + 1);

  const take = (id: string): boolean => {
    const left = quota.get(id);
    if (!left) return false;
    quota.set(id, left - 1);
    return true;
  };
  const targets = owners.map((owner) => (owner !== undefined && take(owner) ? owner : undefined));
  return targets.map((target) => target ?? wanting.find(take)!);
}

/** Who has a partition keeps it; what is free goes to whoever has least. */
function stay(
  owners: readonly (string | undefined)[],
  wanting: readonly string[],
  load: ReadonlyMap<string, number>,
): string[] {
  const extra = new Map(wanting.map((id) => [id, load.get(id)!]));
  return owners.map((owner) => {
    const target =
      owner !== undefined && extra.has(owner)
        ? owner
        : wanting.reduce((least, id) => (extra.get(id)! < extra.get(least)! ? id : least));
    extra.set(target, extra.get(target)! + 1);
    return target;
  });
}
