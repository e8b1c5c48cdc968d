import {
  UnsupportedError,
  type Clock,
  type DeadLetteredMessage,
  type DeadLetterStore,
  type SubscriptionId,
} from '@nest-messaging/core/contract';
import type { Client, NewRecord, StoredRecord } from './driver/driver.js';
import { readRange } from './fetching.js';
import type { Publisher } from './publisher.js';
import { subscriptionNames, type Owner } from './topology.js';
import { copyForRetry, isNote, note, readDeadLetter } from './wire.js';

export interface DeadLettersParts {
  readonly owner: Owner;
  readonly client: Client;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** Aborts when the transport is closed. */
  readonly closed: AbortSignal;
}

/** The note that tells which dead letters of its partition are gone. */
const GONE = 'gone';
/** Redriven and not yet noted, at most: what a crash in between redrives twice. */
const WINDOW = 100;

/** What one partition of the topic holds at the time of looking. */
interface Range {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly end: number;
}

/**
 * A topic keeps everything, so that what is redriven or purged is noted in the topic itself, in the letter's own
 * partition. Notes do not vanish, as positions of a group without members do after 7 days, and several who look at
 * a time do not undo each other's. What is gone from the beginning of a partition is deleted for good.
 */
export function createDeadLetters({
  owner,
  client,
  publisher,
  clock,
  closed,
}: DeadLettersParts): DeadLetterStore {
  const read = (range: Range): AsyncGenerator<StoredRecord> =>
    readRange(client, { ...range, offset: range.first }, range.end, clock, closed);

  const ranges = async (topic: string): Promise<Range[]> => {
    if (!(await client.leaders([topic])).has(topic)) return [];
    const [first, end] = await Promise.all([
      client.offsets(topic, 'earliest'),
      client.offsets(topic, 'latest'),
    ]);
    return first.map((offset, partition) => ({
      topic,
      partition,
      first: offset,
      end: end[partition] ?? offset,
    }));
  };

  const goneFrom = async (range: Range): Promise<Set<number>> => {
    const gone = new Set<number>();
    for await (const record of read(range)) {
      if (!isNote(record)) continue;
      for (const offset of offsetsOf(record)) gone.add(offset);
    }
    return gone;
  };

  async function* letters(range: Range, gone: ReadonlySet<number>): AsyncGenerator<StoredRecord> {
    for await (const record of read(range)) if (!isNote(record) && !gone.has(record.offset)) yield record;
  }

  /** Where the first letter is that is still there: everything before it can be deleted. */
  const firstLeft = async (range: Range, gone: ReadonlySet<number>): Promise<number> => {
    for await (const { offset } of letters(range, gone)) return offset;
    return range.end;
  };

  /** Takes out those with the given ids, or all, `WINDOW` at a time; `first` is done with each before it is gone. */
  const takeOut = async (
    id: SubscriptionId,
    ids: ReadonlySet<string> | undefined,
    first: (record: StoredRecord, letter: DeadLetteredMessage) => Promise<void>,
  ): Promise<number> => {
    const { dead } = subscriptionNames(owner, id);
    let count = 0;
    for (const range of await ranges(dead)) {
      const gone = await goneFrom(range);
      let batch: StoredRecord[] = [];
      let failure: { readonly error: unknown } | undefined;
      const settle = async (): Promise<void> => {
        const outcomes = await Promise.allSettled(
          batch.map((record) => first(record, readDeadLetter(record, id.source, owner, id.group))),
        );
        const done = batch
          .filter((_, at) => outcomes[at]!.status === 'fulfilled')
          .map(({ offset }) => offset);
        const failed = outcomes.find((outcome) => outcome.status === 'rejected');
        if (failed) failure ??= { error: failed.reason };
        batch = [];
        if (done.length === 0) return;
        await publisher.send(
          { record: (): NewRecord => note(dead, range.partition, GONE, done), needs: [] },
          closed,
        );
        for (const offset of done) gone.add(offset);
        count += done.length;
      };
      for await (const record of letters(range, gone)) {
        if (ids && !ids.has(readDeadLetter(record, id.source, owner, id.group).message.id)) continue;
        batch.push(record);
        if (batch.length >= WINDOW) await settle();
        if (failure) break;
      }
      await settle();
      if (failure) throw failure.error;
      const left = await firstLeft(range, gone);
      // Where the user may not delete, the notes tell the same.
      if (left > range.first)
        await client
          .deleteRecords([{ topic: dead, partition: range.partition, offset: left }])
          .catch(() => {});
    }
    return count;
  };

  return {
    async list(id, limit) {
      const found: { readonly at: number; readonly letter: DeadLetteredMessage }[] = [];
      if (limit <= 0) return [];
      for (const range of await ranges(subscriptionNames(owner, id).dead)) {
        const gone = await goneFrom(range);
        let left = limit;
        for await (const record of letters(range, gone)) {
          found.push({ at: record.timestamp, letter: readDeadLetter(record, id.source, owner, id.group) });
          if (--left === 0) break;
        }
      }
      return found
        .sort((a, b) => a.at - b.at)
        .slice(0, limit)
        .map(({ letter }) => letter);
    },

    redrive(id, ids) {
      const { retry } = subscriptionNames(owner, id);
      return takeOut(id, ids, async (record, { message }) => {
        const copy = copyForRetry(record, retry, { id: message.id });
        await publisher.send({ record: () => copy, needs: [] }, closed);
      });
    },

    purge: (id, ids) => takeOut(id, ids, async () => {}),
  };
}

function offsetsOf({ value, topic, offset }: StoredRecord): number[] {
  try {
    const offsets: unknown = JSON.parse(value?.toString() ?? '');
    if (Array.isArray(offsets)) return offsets.filter(Number.isSafeInteger) as number[];
  } catch {
    // Told below.
  }
  throw new UnsupportedError(
    `the record at offset ${offset} of '${topic}' looks like a note of the module and cannot be read: update the module`,
  );
}
