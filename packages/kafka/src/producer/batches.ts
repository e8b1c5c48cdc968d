import type { DriverError } from '../driver/driver-error.js';
import type { NewRecord, Partition } from '../driver/driver.js';
import { recordBytes } from '../driver/record-batch.js';
import type { Identity } from './identities.js';

/** A record, and the how manieth of the call it is. */
export interface Entry {
  readonly index: number;
  readonly record: NewRecord;
}

/** Records of one partition, in their order, that the broker takes or refuses together. */
export interface Batch extends Partition {
  readonly entries: readonly Entry[];
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
  const parts: Entry[][] = [];
  let size = 0;
  for (const [index, record] of records.entries()) {
    const more = recordBytes(record);
    if (parts.length === 0 || size + more > BATCH_BYTES) {
      parts.push([]);
      size = 0;
    }
    parts.at(-1)!.push({ index, record });
    size += more;
  }
  return parts.map((part) => batchOf({ ...where, deadline }, part));
}

/** Two batches of one, without numbers, to find the record for whose sake the broker refuses it. */
export function halves({ entries, ...where }: Batch): Batch[] {
  const middle = Math.ceil(entries.length / 2);
  return [entries.slice(0, middle), entries.slice(middle)].map((half) => batchOf(where, half));
}

/** The same records, without numbers. */
export const unnumbered = (batch: Batch): Batch => ({
  ...batchOf(batch, batch.entries),
  failure: batch.failure,
  unsure: batch.unsure,
});

type Where = Pick<Batch, 'topic' | 'partition' | 'deadline'>;

function batchOf({ topic, partition, deadline }: Where, entries: readonly Entry[]): Batch {
  const size = entries.reduce((bytes, { record }) => bytes + recordBytes(record), 0);
  return { topic, partition, deadline, entries, size };
}
