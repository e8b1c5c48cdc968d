/** Chooses where a record without a key goes. @returns undefined where no partition has a leader */
export type Spread = (topic: string, leaders: readonly number[]) => number | undefined;

/**
 * Record by record to another partition, so that the members of a group share work that comes in small numbers, too.
 * The Java client stays with one partition for 16 KiB, which is a hundred tasks for one worker while the others have
 * none; it does so for larger requests, and here all that is pending shares one anyway.
 *
 * In strides, not to the neighbour: members have neighbouring partitions.
 */
export function createSpread(random: () => number = Math.random): Spread {
  const last = new Map<string, number>();
  return (topic, leaders) => {
    const count = leaders.length;
    const stride = strideOf(count);
    let at = last.get(topic) ?? Math.floor(random() * count);
    for (let tried = 0; tried < count; tried++) {
      at = (at + stride) % count;
      if (leaders[at]! < 0) continue;
      last.set(topic, at);
      return at;
    }
    return undefined;
  };
}

/** About three fifths of the circle, and such that every partition has its turn. */
function strideOf(count: number): number {
  let stride = Math.max(1, Math.round(count * 0.618));
  while (commonDivisor(stride, count) > 1) stride++;
  return stride;
}

const commonDivisor = (a: number, b: number): number => (b === 0 ? a : commonDivisor(b, a % b));
