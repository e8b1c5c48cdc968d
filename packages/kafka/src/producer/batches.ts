import type { DriverError } from '../driver/driver-error.js';
import type { NewRecord, Partition } from '../driver/driver.js';
import { recordBytes } from '../driver/record-batch.js';
import type { Identity } from './identities.js';

/** Records of one partition, in their order, that the broker takes or refuses together. */
export interface Batch extends Partition {
  readonly records: readonly NewRecord[];
  /** The how manieth of the call the first of them is; the others come behind it. */
  readonly from: number;
  /** At most so many. */
  readonly size: number;
  /** In the time of `performance.now()`. */
  readonly deadline: number;
  /** Its call has answered, and nothing more is sent of it. */
  over?: true;
  /** Encoded, under its numbers. It goes again only byte for byte: by the numbers the broker tells a repetition. */
  bytes?: Buffer;
  /** From which it has its numbers. */
  identity?: Identity;
  /** Why it was not confirmed the last time. */
  failure?: DriverError;
  /** Why it was not confirmed once it had numbers: it may have been written all the same. */
  unsure?: DriverError;
}

/** Somewhat fewer than the broker takes in one batch by default: its `max.message.bytes` is 1,048,588. */
export const BATCH_BYTES = 1_000_000;

/** The records of one partition, in their order, as many to a batch as the broker takes. */
export function inBatches(where: Partition, records: readonly NewRecord[], deadline: number): Batch[] {
  const batches: Batch[] = [];
  let [from, size] = [0, 0];
  const close = (to: number): void => {
    if (to > from) batches.push({ ...where, deadline, records: records.slice(from, to), from, size });
    [from, size] = [to, 0];
  };
  for (let at = 0; at < records.length; at += 1) {
    const more = recordBytes(records[at]!);
    if (size + more > BATCH_BYTES) close(at);
    size += more;
  }
  close(records.length);
  return batches;
}

/** Two batches of one, without numbers, to find the record for whose sake the broker refuses it. */
export function halves(batch: Batch): Batch[] {
  const middle = Math.ceil(batch.records.length / 2);
  return [part(batch, 0, middle), part(batch, middle, batch.records.length)];
}

/** The same records, without numbers. */
export const unnumbered = (batch: Batch): Batch => ({
  ...part(batch, 0, batch.records.length),
  failure: batch.failure,
  unsure: batch.unsure,
});

function part({ topic, partition, deadline, from, records }: Batch, start: number, end: number): Batch {
  const own = records.slice(start, end);
  const size = own.reduce((bytes, record) => bytes + recordBytes(record), 0);
  return { topic, partition, deadline, records: own, from: from + start, size };
}
