import { committedRecords, type AbortedTransaction } from './committed-records.js';
import type { Fetched, Partition } from './driver.js';
import { brokerError } from './driver-error.js';
import { decodeBatches, type Beneath } from './record-batch.js';

/** What one partition answered to a fetch, its batches not yet read. */
export interface FetchedBytes extends Partition {
  readonly errorCode: number;
  /** What consumers may see ends in front of it. */
  readonly lastStableOffset: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly bytes: Buffer;
}

/** @param from the offset asked for */
export async function readFetched(answer: FetchedBytes, from: number, beneath: Beneath): Promise<Fetched> {
  const { topic, partition, errorCode, lastStableOffset, aborted, bytes } = answer;
  const nothing = { topic, partition, records: [], next: from, end: lastStableOffset };
  if (errorCode !== 0) {
    const message = `Partition ${partition} of ${topic} could not be fetched from ${from}.`;
    return { ...nothing, end: -1, error: brokerError(errorCode, message) };
  }
  const { batches, unreadable } = await decodeBatches(bytes, { topic, partition }, beneath);
  const { records, next } = committedRecords(batches, aborted, from);
  // What comes before it is given out first; the next fetch then begins with what cannot be read.
  const passedOver = batches.flatMap((batch) => (batch.passedOver ? [batch.passedOver] : []));
  return { ...nothing, records, next, passedOver, ...(unreadable && next === from && { error: unreadable }) };
}
