import { describe, expect, it } from '@jest/globals';
import type { Client, CommittedPosition, Position } from '../src/driver/driver.js';
import { trim } from '../src/trimming.js';
import { virtualClock } from '../../testing/src/virtual-clock.js';

const HOUR = 3_600_000;

/** A broker with one topic of two partitions: what is committed, and where the records of the last week begin. */
function trimmed(committed: readonly number[], weekOld: readonly number[], failure?: Error) {
  const clock = virtualClock();
  const deleted: (readonly Position[])[] = [];
  const asked: unknown[] = [];
  const warnings: string[] = [];
  const ended = new AbortController();
  const client = {
    committed: async (): Promise<CommittedPosition[]> =>
      committed.map((offset, partition) => ({ topic: 'q', partition, offset, metadata: '' })),
    async offsets(_topic: string, at: unknown) {
      asked.push(at);
      return weekOld;
    },
    async deleteRecords(before: readonly Position[]) {
      if (failure) throw failure;
      deleted.push(before);
    },
  } as unknown as Client;
  void trim({
    client,
    group: 'g',
    topics: ['q'],
    clock,
    signal: ended.signal,
    warn: (message) => warnings.push(message),
  });
  return { clock, deleted, asked, warnings, end: () => ended.abort() };
}

describe('What is done and a week old', () => {
  it('is deleted each hour, and neither what is not done nor what is younger', async () => {
    const { clock, deleted, asked, end } = trimmed([10, 5], [7, 9]);
    const start = clock.now();
    await clock.advance(HOUR);
    expect(asked).toEqual([start + HOUR - 7 * 24 * HOUR]);
    expect(deleted).toEqual([
      [
        { topic: 'q', partition: 0, offset: 7 },
        { topic: 'q', partition: 1, offset: 5 },
      ],
    ]);
    await clock.advance(HOUR);
    expect(deleted).toHaveLength(2);
    end();
    await clock.advance(HOUR);
    expect(deleted).toHaveLength(2);
  });

  it('is left alone where there is none', async () => {
    const { clock, deleted, end } = trimmed([0, 5], [7, 0]);
    await clock.advance(HOUR);
    expect(deleted).toEqual([]);
    end();
  });

  it('stays where the user may not delete, which is told once', async () => {
    const { clock, warnings, end } = trimmed([10], [10], new Error('not authorised'));
    await clock.advance(HOUR);
    await clock.advance(HOUR);
    expect(warnings).toEqual([expect.stringContaining('q')]);
    end();
  });
});
