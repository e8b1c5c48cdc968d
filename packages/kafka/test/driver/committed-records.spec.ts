import { describe, expect, it } from '@jest/globals';
import { committedRecords } from '../../src/driver/committed-records.js';

describe('Committed records', () => {
  const batch = (producerId: bigint, ...offsets: number[]) => ({
    lastOffset: offsets.at(-1)!,
    producerId,
    transactional: true,
    records: offsets.map((offset) => ({ offset })),
  });
  const mark = (producerId: bigint, lastOffset: number, control: 'aborted' | 'other') => ({
    lastOffset,
    producerId,
    transactional: true,
    control,
    records: [],
  });
  const offsets = (...given: Parameters<typeof committedRecords<{ offset: number }>>) => {
    const { records, next } = committedRecords(...given);
    return [...records.map(({ offset }) => offset), `next ${next}`];
  };

  it('leave out an aborted transaction between others of another producer', () => {
    const batches = [
      batch(1n, 0, 1),
      batch(2n, 2, 3),
      batch(1n, 4),
      mark(1n, 5, 'aborted'),
      batch(2n, 6),
      mark(2n, 7, 'other'),
      batch(1n, 8),
      mark(1n, 9, 'other'),
    ];
    expect(offsets(batches, [{ producerId: 1n, firstOffset: 0 }], 0)).toEqual([2, 3, 6, 8, 'next 10']);
  });

  it('know transactions that began before the fetch, in whatever order they are told', () => {
    const batches = [batch(2n, 20), batch(1n, 21), mark(1n, 22, 'aborted'), batch(1n, 23)];
    const aborted = [
      { producerId: 2n, firstOffset: 7 },
      { producerId: 1n, firstOffset: 3 },
    ];
    expect(offsets(batches, aborted, 20)).toEqual([23, 'next 24']);
  });

  it('begin at the offset asked for, and go on beyond what compaction has taken', () => {
    const compacted = {
      lastOffset: 9,
      producerId: -1n,
      transactional: false,
      records: [{ offset: 5 }, { offset: 7 }],
    };
    expect(offsets([compacted], [], 6)).toEqual([7, 'next 10']);
    expect(offsets([{ ...compacted, records: [] }], [], 6)).toEqual(['next 10']);
    expect(offsets([], [], 6)).toEqual(['next 6']);
  });
});
