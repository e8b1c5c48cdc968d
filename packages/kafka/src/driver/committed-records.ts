import type { DriverError } from './driver-error.js';

/** What must be known of a batch to tell whether consumers may see its records. */
export interface FetchedBatch<Stored> {
  /** Of the last record that was written in it: compaction may have taken that record, and even all of them. */
  readonly lastOffset: number;
  readonly producerId: bigint;
  readonly transactional: boolean;
  /** The broker's own mark that a transaction has ended, and how; no record in it is anybody's. */
  readonly control?: 'aborted' | 'other';
  readonly records: readonly Stored[];
  /** Why its records are not among them, where they never will be. */
  readonly passedOver?: DriverError;
}

/** As the broker tells it beside the batches. */
export interface AbortedTransaction {
  readonly producerId: bigint;
  readonly firstOffset: number;
}

/**
 * Leaves out what no consumer may see: the broker's own records, those of aborted transactions, and those in front of
 * the offset asked for, as the broker always gives whole batches. An aborted transaction reaches from its first offset
 * to its producer's next abort mark.
 * @returns the records, and the offset to fetch from next: beyond what was left out, too
 */
export function committedRecords<Stored extends { readonly offset: number }>(
  batches: readonly FetchedBatch<Stored>[],
  abortedTransactions: readonly AbortedTransaction[],
  from: number,
): { readonly records: Stored[]; readonly next: number } {
  const toCome = [...abortedTransactions].sort((a, b) => a.firstOffset - b.firstOffset);
  const aborted = new Set<bigint>();
  const records: Stored[] = [];
  let next = from;
  for (const batch of batches) {
    for (let first = toCome[0]; first && first.firstOffset <= batch.lastOffset; first = toCome[0]) {
      aborted.add(first.producerId);
      toCome.shift();
    }
    if (batch.control) {
      if (batch.control === 'aborted') aborted.delete(batch.producerId);
    } else if (!(batch.transactional && aborted.has(batch.producerId))) {
      for (const record of batch.records) if (record.offset >= from) records.push(record);
    }
    next = Math.max(next, batch.lastOffset + 1);
  }
  return { records, next };
}
