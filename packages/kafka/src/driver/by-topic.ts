import type { Partition } from './driver.js';
import { grouped } from './grouped.js';

/** No topic's name has a colon. */
export const keyOf = ({ topic, partition }: Partition): string => `${topic}:${partition}`;

/** As most requests have it: for each topic what is to be said of its partitions. */
export function byTopic<Each extends Partition, Part>(
  partitions: readonly Each[],
  part: (each: Each) => Part,
): { name: string; partitions: Part[] }[] {
  return [...grouped(partitions, ({ topic }) => topic)].map(([name, each]) => ({
    name,
    partitions: each.map(part),
  }));
}
