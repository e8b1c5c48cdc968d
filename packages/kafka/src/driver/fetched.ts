import { keyOf } from './by-topic.js';
import { committedRecords, type AbortedTransaction } from './committed-records.js';
import type { Fetched, Partition, Position } from './driver.js';
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

/** One answer after the other. @param positions asked for */
export async function readFetched(
  answers: readonly FetchedBytes[],
  positions: readonly Position[],
  beneath: Beneath,
): Promise<Fetched[]> {
  const asked = new Map(positions.map((position) => [keyOf(position), position]));
  const fetched: Fetched[] = [];
  for (const answer of answers) {
    const position = asked.get(keyOf(answer));
    if (position) fetched.push(await readPartition(answer, position, beneath));
  }
  return fetched;
}

async function readPartition(answer: FetchedBytes, position: Position, beneath: Beneath): Promise<Fetched> {
  const { errorCode, lastStableOffset, aborted, bytes } = answer;
  const { topic, partition, offset } = position;
  const nothing = { topic, partition, offset, records: [], next: offset, end: lastStableOffset };
  if (errorCode !== 0) {
    const message = `Partition ${partition} of ${topic} could not be fetched from ${offset}.`;
    return { ...nothing, end: -1, error: brokerError(errorCode, message) };
  }
  const { batches, unreadable } = await decodeBatches(bytes, { topic, partition }, beneath);
  const { records, next } = committedRecords(batches, aborted, offset);
  // What comes before it is given out first; the next fetch then begins with what cannot be read.
  const passedOver = batches.flatMap((batch) => (batch.passedOver ? [batch.passedOver] : []));
  return {
    ...nothing,
    records,
    next,
    passedOver,
    ...(unreadable && next === offset && { error: unreadable }),
  };
}
