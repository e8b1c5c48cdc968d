import { describe, expect, it } from '@jest/globals';
import { murmur2, partitionOf } from '../../src/producer/murmur2.js';

describe('Partitions', () => {
  it('hash keys as Kafka’s own test expects', () => {
    const vectors = {
      '21': -973932308,
      foobar: -790332482,
      'a-little-bit-long-string': -985981536,
      'a-little-bit-longer-string': -1486304829,
      lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8: -58897971,
      abc: 479470107,
    };
    for (const [key, hash] of Object.entries(vectors)) expect(murmur2(Buffer.from(key))).toBe(hash);
    expect(partitionOf(Buffer.from('foobar'), 12)).toBe((-790332482 & 0x7fffffff) % 12);
  });
});
