import {
  describeSubscription,
  noPosition,
  sendTaken,
  takeOut,
  TopologyError,
  UnsupportedError,
  type Clock,
  type DeadLetteredMessage,
  type DeadLetterStore,
  type SubscriptionId,
  type Taken,
  type Taking,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import type { Client, NewRecord, StoredRecord } from './driver/driver.js';
import { readRange } from './fetching.js';
import type { Publisher } from './publisher.js';
import { subscriptionNames, takesFrom, type Owner } from './topology.js';
import { copyForRetry, isNote, note, readDeadLetter, restoredDeadLetter } from './wire.js';

export interface DeadLettersParts {
  readonly owner: Owner;
  readonly client: Client;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
  /** Aborts when the transport is closed. */
  readonly closed: AbortSignal;
}

/** The note that tells which dead letters of its partition are gone. */
const GONE = 'gone';

/** What one partition of the topic holds at the time of looking. */
interface Range {
  readonly topic: string;
  readonly partition: number;
  readonly first: number;
  readonly end: number;
}

/** A letter, where it was found. */
interface Found {
  readonly range: Range;
  readonly record: StoredRecord;
  readonly letter: DeadLetteredMessage;
}

/**
 * A topic keeps everything, so that what is redriven or purged is noted in the topic itself, in the letter's own
 * partition. Notes do not vanish, as positions of a group without members do after 7 days, and several who look at
 * a time do not undo each other's. What is gone from the beginning of a partition is deleted for good.
 *
 * A note lies behind the letters it tells of, so that a look reads what it looks at twice: for notes, then for letters.
 * One that begins at a position reads nothing before it.
 */
export function createDeadLetters({
  owner,
  client,
  publisher,
  clock,
  report,
  closed,
}: DeadLettersParts): DeadLetterStore {
  /** Topics that letters were restored to. */
  const known = new Set<string>();

  const check = async (id: SubscriptionId): Promise<void> => {
    const { dead } = subscriptionNames(owner, id);
    if ((await client.leaders([dead])).has(dead)) return;
    throw new TopologyError(
      `topic '${dead}' does not exist, or the user may not see it: there is nowhere to set aside what is of ${describeSubscription(id)}`,
    );
  };

  const read = (
    range: Range,
    signal: AbortSignal,
    onLeftOut?: (offset: number) => void,
  ): AsyncGenerator<StoredRecord> =>
    readRange(client, { ...range, offset: range.first }, range.end, clock, signal, onLeftOut);

  const send = (record: NewRecord): Promise<void> =>
    sendTaken(clock, closed, (signal) => publisher.send({ record: () => record, needs: [] }, signal));

  const rangesOf = async (topic: string, after?: string): Promise<Range[]> => {
    const from = after === undefined ? [] : offsetsIn(after);
    if (!(await client.leaders([topic])).has(topic)) return [];
    const [first, end] = await Promise.all([
      client.offsets(topic, 'earliest'),
      client.offsets(topic, 'latest'),
    ]);
    return first.map((offset, partition) => ({
      topic,
      partition,
      first: Math.max(offset, from[partition] ?? 0),
      end: end[partition] ?? offset,
    }));
  };

  const goneFrom = async (range: Range, signal: AbortSignal): Promise<Set<number>> => {
    const gone = new Set<number>();
    for await (const record of read(range, signal)) {
      if (!isNote(record)) continue;
      for (const offset of offsetsOf(record)) gone.add(offset);
    }
    return gone;
  };

  async function* lettersIn(
    range: Range,
    signal: AbortSignal,
    onLeftOut: (offset: number) => void,
  ): AsyncGenerator<StoredRecord, undefined> {
    const gone = await goneFrom(range, signal);
    for await (const record of read(range, signal, onLeftOut))
      if (!isNote(record) && !gone.has(record.offset)) yield record;
  }

  /**
   * Those of all partitions, oldest first. Of each partition no more than one answer to a fetch is in memory.
   * @param signal ends the wait for a partition that has no leader, too
   * @param onLeftOut told from where on a partition may have others that could not be read
   */
  async function* lettersOf(
    id: SubscriptionId,
    ranges: readonly Range[],
    // A client that was closed refuses, and so ends any wait.
    signal: AbortSignal = closed,
    onLeftOut: (range: Range, offset: number) => void = () => {},
  ): AsyncGenerator<Found, undefined> {
    const open = ranges.map((range) => ({
      range,
      records: lettersIn(range, signal, (offset) => onLeftOut(range, offset)),
      next: range.first,
    }));
    try {
      const heads = await askForEach(open, async (one) => ({ one, head: await one.records.next() }));
      for (;;) {
        let oldest: (typeof heads)[number] | undefined;
        for (const each of heads)
          if (!each.head.done && (!oldest || each.head.value.timestamp < oldest.head.value!.timestamp))
            oldest = each;
        if (!oldest?.head.value) return;
        const { one, head } = oldest;
        const record = head.value!;
        one.next = record.offset + 1;
        const letter = readDeadLetter(record, id, owner);
        const position = open.map(({ next }) => next).join('.');
        yield { range: one.range, record, letter: { ...letter, position } };
        oldest.head = await one.records.next();
      }
    } finally {
      await Promise.all(open.map(({ records }) => records.return(undefined)));
    }
  }

  /** Takes out those that are meant; `first` is done with each before it is gone. */
  const take = async (
    id: SubscriptionId,
    taking: Taking = {},
    first: (found: Found) => Promise<void>,
  ): Promise<number> => {
    const { dead } = subscriptionNames(owner, id);
    const ranges = await rangesOf(dead);
    /** Where the first letter is that is still there, or may be: everything before it can be deleted. */
    const left = new Map(ranges.map((range) => [range, range.end]));
    const keep = (range: Range, offset: number): void =>
      void left.set(range, Math.min(left.get(range)!, offset));

    const settle = async (some: readonly Found[]): Promise<Taken<Found>> => {
      const outcomes = await Promise.allSettled(some.map(first));
      const done = new Map<Range, Found[]>();
      for (const [at, { status }] of outcomes.entries()) {
        const found = some[at]!;
        if (status === 'fulfilled') done.set(found.range, [...(done.get(found.range) ?? []), found]);
      }
      const noted = await Promise.allSettled(
        Array.from(done, async ([{ partition }, those]) => {
          const offsets = those.map(({ record }) => record.offset);
          await send(note(dead, partition, GONE, offsets));
          return those;
        }),
      );
      const failed = [...outcomes, ...noted].find((one) => one.status === 'rejected');
      return {
        gone: noted.flatMap((one) => (one.status === 'fulfilled' ? one.value : [])),
        failure: failed && { error: failed.reason },
      };
    };

    const letters = lettersOf(id, ranges, taking.signal, keep);
    const count = await takeOut(letters, taking, settle, ({ range, record }) => keep(range, record.offset));
    const trimmed = [...left].filter(([{ first: from }, offset]) => offset > from);
    if (trimmed.length > 0)
      await client
        .deleteRecords(trimmed.map(([{ partition }, offset]) => ({ topic: dead, partition, offset })))
        .catch((error: unknown) =>
          report({
            type: 'warning',
            message: `what is gone from the dead letters cannot be deleted from ${dead}, where anybody who may read it finds it still`,
            error,
          }),
        );
    return count;
  };

  return {
    check,

    async *browse(id, { select, signal, after, limit = Number.POSITIVE_INFINITY } = {}) {
      if (limit < 1) return;
      let left = limit;
      const ranges = await rangesOf(subscriptionNames(owner, id).dead, after);
      for await (const { letter } of lettersOf(id, ranges, signal)) {
        signal?.throwIfAborted();
        if (!((await select?.(letter)) ?? true)) continue;
        yield letter;
        if (--left < 1) return;
      }
    },

    redrive(id, taking) {
      const { retry } = subscriptionNames(owner, id);
      // Those of a key are in one partition, and are sent in their order: so they arrive in one, too.
      return take(id, taking, async ({ record, letter: { message } }) => {
        await send(copyForRetry(record, retry, { id: message.id }));
      });
    },

    purge: (id, taking) => take(id, taking, async () => {}),

    async restore(id, letter, signal = closed) {
      const { dead } = subscriptionNames(owner, id);
      const record = restoredDeadLetter(dead, letter, (topic) => takesFrom(owner, id, topic));
      // Asked about before, since a broker may make any topic that is written to.
      if (!known.has(dead)) await check(id);
      known.add(dead);
      await publisher.send({ record: () => record, needs: [] }, signal);
    },
  };
}

/** Where to go on in each partition. */
function offsetsIn(position: string): number[] {
  const offsets = position.split('.').map((text) => (/^\d+$/.test(text) ? Number(text) : Number.NaN));
  if (offsets.every(Number.isSafeInteger)) return offsets;
  throw noPosition(position);
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
