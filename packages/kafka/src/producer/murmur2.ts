/** The hash by which Kafka's Java client spreads keys over partitions, as a signed 32-bit number. */
export function murmur2(key: Buffer): number {
  const multiplier = 0x5bd1e995;
  const whole = key.length & ~3;
  let hash = 0x9747b28c ^ key.length;
  for (let at = 0; at < whole; at += 4) {
    let word = Math.imul(key.readInt32LE(at), multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (key.length > whole) {
    for (let at = key.length - 1; at >= whole; at -= 1) hash ^= key.readUInt8(at) << (8 * (at - whole));
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}

/** The partition of a key, the same as the Java client's. */
export function partitionOf(key: Buffer, partitions: number): number {
  return (murmur2(key) & 0x7fffffff) % partitions;
}
