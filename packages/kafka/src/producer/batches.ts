import { keyOf } from '../driver/by-topic.js';
import type { DriverError } from '../driver/driver-error.js';
import type { NewRecord, Partition } from '../driver/driver.js';
import { grouped } from '../driver/grouped.js';
import { recordBytes } from '../driver/record-batch.js';

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
  /** Encoded, under its numbers. It goes again only byte for byte: by the numbers the broker tells a repetition. */
  bytes?: Buffer;
  /** Why it was not confirmed the last time. */
  failure?: DriverError;
  /** Why it was not confirmed once it had numbers: it may have been written all the same. */
  unsure?: DriverError;
}

/** Somewhat fewer than the broker takes in one batch by default: its `max.message.bytes` is 1,048,588. */
const BATCH_BYTES = 1_000_000;

/** Gathers the records of each partition, in their order, as many to a batch as the broker takes. */
export function inBatches(placed: readonly (Entry & { readonly partition: number })[]): Batch[][] {
  const queues = grouped(placed, ({ partition, record: { topic } }) => keyOf({ topic, partition }));
  return [...queues.values()].map((queue) => {
    const parts: Entry[][] = [];
    let size = 0;
    for (const { index, record } of queue) {
      const more = recordBytes(record);
      if (parts.length === 0 || size + more > BATCH_BYTES) {
        parts.push([]);
        size = 0;
      }
      parts.at(-1)!.push({ index, record });
      size += more;
    }
    const [{ partition, record }] = queue as [(typeof queue)[number]];
    return parts.map((entries) => batchOf({ topic: record.topic, partition }, entries));
  });
}

/** Two batches of one, without numbers, to find the record for whose sake the broker refuses it. */
export function halves({ entries, ...where }: Batch): Batch[] {
  const middle = Math.ceil(entries.length / 2);
  return [entries.slice(0, middle), entries.slice(middle)].map((half) => batchOf(where, half));
}

function batchOf({ topic, partition }: Partition, entries: readonly Entry[]): Batch {
  const size = entries.reduce((bytes, { record }) => bytes + recordBytes(record), 0);
  return { topic, partition, entries, size };
}
