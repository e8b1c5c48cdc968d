import { setMaxListeners } from 'node:events';
import {
  createBackoff,
  createTurnoverMap,
  createTurnoverSet,
  pause,
  type Clock,
} from '@nest-messaging/core/contract';
import { keyOf } from './driver/by-topic.js';
import { DriverError } from './driver/driver-error.js';
import type { Client, Fetched, Partition, Position, StoredRecord } from './driver/driver.js';
import { driverError } from './errors.js';
import { createFetching } from './fetching.js';
import type { Holder, Membership } from './group/membership.js';
import { createProgress, type Handed, type Progress } from './progress.js';
import { isNote } from './wire.js';

/** `done`: the position may pass it. `kept`: it stays with the broker. `again`: it is worked on anew. */
export type End = 'done' | 'kept' | 'again';

/** Works on one record: first decides what becomes of it, then carries that out. Neither rejects. */
export type Work = () => Promise<() => Promise<End>>;

/** For how long this process has a partition. */
export interface Hold {
  /** Aborts when work is to end soon: the consumer stops, or the partition goes to another process. */
  readonly leaving: AbortSignal;
  /** Aborts when another process may have it already. */
  readonly lost: AbortSignal;
}

/** Reads partitions as they are assigned, works on what comes, and keeps positions. */
export interface Consumer {
  /** @throws {DriverError} if it may not join its group */
  start(): Promise<void>;
  /** Why it does not work now; undefined while it does. */
  readonly problem: string | undefined;
  /** Records in its partitions that are not done. */
  readonly lag: number;
  /** From now on so many records are in hand at a time; what is in hand beyond that stays. */
  resize(maxInHand: number): void;
  /** Takes nothing more; resolves when all that is in hand has ended. Never rejects. */
  stop(): Promise<void>;
  /** As `stop`, but what is not decided yet stays with the broker. */
  abandon(): Promise<void>;
}

export interface ConsumerParts {
  readonly client: Client;
  readonly join: (holder: Holder) => Membership;
  /** Where to begin in partitions, in their order, or why that is not known now of one; asked again then. */
  readonly positions: (partitions: readonly Partition[]) => Promise<readonly (Position | DriverError)[]>;
  readonly work: (record: StoredRecord, hold: Hold) => Work;
  /** Nothing is handed over while a record before it is kept, or may yet be. */
  readonly inOrder?: boolean;
  /**
   * Returns a record to the broker as a new one, confirmed, so that what is done behind it need not be repeated.
   * Left out: it is repeated.
   */
  readonly handBack?: ((record: StoredRecord) => Promise<void>) | undefined;
  /** Begins with the consumer; `ended` aborts with it. Never rejects. */
  readonly alongside?: (ended: AbortSignal) => Promise<void>;
  /** Records in hand at a time. */
  readonly maxInHand: number;
  /** Bytes of them in each partition; one more begins while they are fewer. Left out: as many as there are. */
  readonly maxBytesInHand?: number;
  /** Records were deleted before they were handled: from `position` up to `earliest`. */
  readonly onGap: (position: Position, earliest: number) => void;
  /** Records that cannot be read are not handled. */
  readonly onPassedOver: (message: string, error: unknown) => void;
  readonly warn: (message: string, error: unknown) => void;
  readonly clock: Clock;
}

/** Done or in hand beyond the position kept, at most: what a crash repeats. */
const WINDOW = 1_000;
/** Positions are kept so often at least, in milliseconds, and sooner where so many records are done. */
const KEEP = { every: 200, after: WINDOW / 4 };
/** Records fetched ahead for each partition, and bytes. */
const AHEAD = { records: 1_000, bytes: 1024 * 1024 };
/** What the last words to the broker may take, in milliseconds. */
const END_WITHIN = 3_000;
/** What decided settlements may take when nothing else is waited for. */
const CARRY_OUT_WITHIN = 5_000;

/** One partition. */
interface Reading extends Partition {
  /** Where the next fetch begins. */
  fetchFrom: number;
  /** Fetched and not handed over; `head` is the first. */
  ahead: StoredRecord[];
  head: number;
  bytes: number;
  bytesInHand: number;
  /** Not fetched for want of room. */
  full: boolean;
  /** Behind the last record there is. */
  end: number;
  progress: Progress<StoredRecord>;
  /** The position that the broker knows, and how many records were before it. */
  committed: number;
  known: number;
  /** One for each time that it is to be given up. */
  leaving: AbortController;
  readonly lost: AbortController;
  /** Why the broker does not let it be read; told once. */
  problem: string | undefined;
  /** Why the broker does not take its position, and will not; told once. */
  refusal: string | undefined;
  /** It need not be given up after all, and goes on as soon as nothing is in hand. */
  goesOn: boolean;
  /** Kept when it was to be given up: handed over again before all others. */
  returned: Handed<StoredRecord>[];
  /** Called when nothing is in hand, or when it need not be given up after all. */
  settled: (() => void) | undefined;
}

export function createConsumer(parts: ConsumerParts): Consumer {
  const { client, clock, maxBytesInHand = Number.POSITIVE_INFINITY, warn } = parts;
  let { maxInHand } = parts;
  /** In the order in which they are asked for. */
  const readings = createTurnoverMap<string, Reading>();
  /** Assigned, and not known yet where to begin. */
  const opening = new Map<string, Partition>();
  let openingProblem: string | undefined;
  const ended = new AbortController();
  /** Those with something to hand over; who has waited longest is first. */
  const offering = createTurnoverSet<Reading>();
  let inHand = 0;
  let stopping = false;
  const quiet = new Set<() => void>();
  /** Not decided yet. */
  const undecided = createTurnoverMap<Handed<StoredRecord>, Reading>();
  let keeping: Promise<void> | undefined;
  let cancelKeep: (() => void) | undefined;
  let ending: Promise<void> | undefined;
  let abandoning: Promise<void> | undefined;

  const all = (): Reading[] => [...readings.values()];

  const room = (reading: Reading): boolean =>
    reading.ahead.length - reading.head < AHEAD.records && reading.bytes < AHEAD.bytes;

  const fetching = createFetching({
    client,
    clock,
    wanted: () => {
      const positions: Position[] = [];
      for (const reading of readings.values()) {
        if (reading.leaving.signal.aborted || reading.fetchFrom < 0) continue;
        reading.full = !room(reading);
        if (!reading.full)
          positions.push({ topic: reading.topic, partition: reading.partition, offset: reading.fetchFrom });
      }
      return positions;
    },
    hurried: () => {
      for (const { full, leaving } of readings.values()) if (full && !leaving.signal.aborted) return true;
      return false;
    },
    received: (fetched) => received(fetched),
  });

  const received = (fetched: Fetched): void => {
    const key = keyOf(fetched);
    const reading = readings.get(key);
    // Asked for by an earlier holder of the partition.
    if (!reading || reading.fetchFrom !== fetched.offset) return;
    if (fetched.next > fetched.offset) {
      // Behind all those that have waited longer.
      readings.delete(key);
      readings.set(key, reading);
    }
    if (fetched.error) return void failed(reading, fetched.error);
    reading.problem = undefined;
    for (const error of fetched.passedOver ?? [])
      parts.onPassedOver(
        `records of topic '${reading.topic}', partition ${reading.partition} are not handled; they stay there`,
        error,
      );
    if (fetched.end >= 0) reading.end = fetched.end;
    reading.ahead = reading.ahead.slice(reading.head);
    reading.head = 0;
    if (reading.ahead.length === 0 && fetched.records.length === 0) reading.progress.skipTo(fetched.next);
    for (const record of fetched.records) {
      reading.ahead.push(record);
      reading.bytes += record.size;
    }
    reading.fetchFrom = fetched.next;
    if (!hasMore(reading)) return;
    offering.add(reading);
    pump();
  };

  const failed = async (reading: Reading, error: unknown): Promise<void> => {
    const { code, message } = driverError(error);
    if (code !== 'OFFSET_OUT_OF_RANGE') {
      if (reading.problem === undefined)
        warn(`topic '${reading.topic}', partition ${reading.partition} cannot be read; trying again`, error);
      reading.problem = `${nameOf(reading)}: ${message}`;
      // Not asked for again before that: a partition that answers with an error would answer at once.
      const asked = reading.fetchFrom;
      reading.fetchFrom = -1;
      await pause(clock, KEEP.every * 5, reading.leaving.signal);
      reading.fetchFrom = asked;
      fetching.wake();
      return;
    }
    // So a topic is known that was made anew, too; but not one that has more records by then than the old one had when
    // it was read last: of that, what is before the position is passed over, as nothing tells it from the old one.
    // Not asked for again before it is known where to go on: it would be told, and reported, once more.
    const asked = reading.fetchFrom;
    reading.fetchFrom = -1;
    try {
      const earliest = (await client.offsets(reading.topic, 'earliest'))[reading.partition] ?? 0;
      if (reading.lost.signal.aborted) return;
      parts.onGap({ ...reading, offset: asked }, earliest);
      reading.fetchFrom = earliest;
      if (reading.head === reading.ahead.length) reading.progress.skipTo(earliest);
    } catch {
      // The next fetch tells the same again.
      await pause(clock, KEEP.every * 5, reading.leaving.signal);
      reading.fetchFrom = asked;
    }
    fetching.wake();
  };

  const hasMore = ({ head, ahead, returned }: Reading): boolean => head < ahead.length || returned.length > 0;

  const mayHandOver = ({ head, ahead, progress, known, returned, leaving, bytesInHand }: Reading): boolean =>
    (returned.length > 0 || (head < ahead.length && progress.handed - known < WINDOW)) &&
    !leaving.signal.aborted &&
    bytesInHand < maxBytesInHand;

  const next = (): Reading | undefined => {
    for (const reading of offering) if (mayHandOver(reading)) return reading;
    return undefined;
  };

  const pump = (): void => {
    while (inHand < maxInHand && !stopping) {
      const reading = next();
      if (!reading) return;
      offering.delete(reading);
      handOver(reading);
      if (hasMore(reading)) offering.add(reading);
    }
  };

  const handOver = (reading: Reading): void => {
    const returned = reading.returned.shift();
    if (returned) {
      reading.progress.handAgain(returned);
      take(reading, returned);
      return;
    }
    const record = reading.ahead[reading.head]!;
    reading.ahead[reading.head] = undefined!;
    reading.head++;
    reading.bytes -= record.size;
    if (reading.full && room(reading)) fetching.wake();
    const handed = reading.progress.hand(record.offset, record);
    if (isNote(record)) {
      reading.progress.end(handed, 'done');
      keepSoon(reading);
    } else take(reading, handed);
  };

  const take = (reading: Reading, handed: Handed<StoredRecord>): void => {
    inHand++;
    reading.bytesInHand += handed.record.size;
    void carry(reading, handed);
  };

  const carry = async (reading: Reading, handed: Handed<StoredRecord>): Promise<void> => {
    const hold = { leaving: reading.leaving.signal, lost: reading.lost.signal };
    const work = parts.work(handed.record, hold);
    for (;;) {
      undecided.set(handed, reading);
      const carryOut = await work();
      if (!undecided.delete(handed)) return;
      const how = await carryOut();
      // Its partition was to go when this was decided, and need not go after all.
      if (how === 'kept' && !reading.leaving.signal.aborted) return carry(reading, handed);
      if (how !== 'again') return end(reading, handed, how);
    }
  };

  const end = (reading: Reading, handed: Handed<StoredRecord>, how: 'done' | 'kept'): void => {
    inHand--;
    reading.bytesInHand -= handed.record.size;
    reading.progress.end(handed, how);
    if (reading.progress.inHand === 0) {
      reading.settled?.();
      if (reading.goesOn) restart(reading);
    }
    if (inHand === 0) for (const resolve of quiet) resolve();
    if (!reading.lost.signal.aborted) keepSoon(reading);
    pump();
  };

  const keepSoon = (reading: Reading): void => {
    if (reading.progress.position - reading.committed >= KEEP.after) void keep();
    else keepLater();
  };

  const keepLater = (): void => {
    cancelKeep ??= clock.schedule(() => void keep(), KEEP.every);
  };

  /** Keeps all positions that have moved; one request at a time. Never rejects. */
  const keep = (): Promise<void> => {
    keeping ??= keepMoved().finally(() => {
      keeping = undefined;
      // They went on meanwhile, or were not taken: nothing else may come that would have them kept.
      if (!stopping && all().some(isBehind)) keepLater();
    });
    return keeping;
  };

  const keepMoved = async (): Promise<void> => {
    cancelKeep?.();
    cancelKeep = undefined;
    const moved = all()
      .filter(isBehind)
      .map((reading) => ({
        reading,
        offset: reading.progress.position,
        passed: reading.progress.passed,
      }));
    if (moved.length === 0) return;
    const outcomes = await membership
      .commit(moved.map(({ reading: { topic, partition }, offset }) => ({ topic, partition, offset })))
      .catch((error: unknown) => moved.map(() => driverError(error)));
    const refused: { readonly reading: Reading; readonly error: DriverError }[] = [];
    for (const [at, { reading, offset, passed }] of moved.entries()) {
      const error = outcomes[at];
      // One that may be taken later, after a rebalance or a lost connection, is: what is done is done.
      const refusal = error && !error.retryable ? error.message : undefined;
      if (error && refusal !== undefined && reading.refusal === undefined) refused.push({ reading, error });
      if (!error) {
        reading.committed = offset;
        reading.known = passed;
      }
      if (!error || refusal !== undefined) reading.refusal = refusal;
    }
    if (refused.length > 0 && !stopping) {
      const which = refused.map(({ reading }) => nameOf(reading)).join(', ');
      warn(
        `Kafka refuses positions: what is done there comes again, and after ${WINDOW} records nothing more is read; trying again: ${which}`,
        refused[0]!.error,
      );
    }
    pump();
  };

  /** What the broker refuses is not waited for. */
  const behind = (some: readonly Reading[]): boolean =>
    some.some((reading) => isBehind(reading) && reading.refusal === undefined);

  /** Returns what is kept in front of what is done, and keeps the positions, within a time limit. */
  const finish = async (some: readonly Reading[]): Promise<void> => {
    const late = new AbortController();
    const cancel = clock.schedule(() => late.abort(), END_WITHIN);
    const backoff = createBackoff(clock);
    const { handBack } = parts;
    if (handBack)
      for (const reading of some) {
        const gaps = reading.progress.kept().filter(({ gap }) => gap);
        await Promise.all(
          gaps.map(async ({ handed }) => {
            try {
              await Promise.race([handBack(handed.record), rejection(late.signal)]);
              // It may be in hand again, if the partition need not be given up any more.
              if (handed.state === 'kept') reading.progress.end(handed, 'done');
            } catch {
              // Then it stays where it is, and what is done behind it comes again.
            }
          }),
        );
      }
    await Promise.race([keeping, pause(clock, END_WITHIN, late.signal)]);
    while (behind(some) && !late.signal.aborted) {
      await Promise.race([keep(), pause(clock, END_WITHIN, late.signal)]);
      if (behind(some)) await backoff.wait(late.signal);
    }
    cancel();
    late.abort();
  };

  const holder: Holder = {
    assigned(partitions) {
      if (stopping) return;
      const fresh: Partition[] = [];
      for (const one of partitions) {
        const key = keyOf(one);
        const reading = readings.get(key);
        if (!reading) {
          if (!opening.has(key)) fresh.push(one);
        } else if (reading.leaving.signal.aborted) goOn(reading);
      }
      if (fresh.length > 0) void openAll(fresh);
      fetching.wake();
      pump();
    },
    async giveUp(partition) {
      const reading = readings.get(keyOf(partition));
      opening.delete(keyOf(partition));
      if (!reading) return;
      reading.leaving.abort();
      reading.goesOn = false;
      reading.returned = [];
      if (reading.progress.inHand > 0)
        await new Promise<void>((resolve) => {
          reading.settled = resolve;
        });
      if (reading.leaving.signal.aborted && !reading.goesOn && !reading.lost.signal.aborted)
        await finish([reading]);
    },
    lost(partitions) {
      for (const partition of partitions) {
        const key = keyOf(partition);
        opening.delete(key);
        const reading = readings.get(key);
        if (!reading) continue;
        reading.leaving.abort();
        reading.lost.abort();
        reading.settled?.();
        readings.delete(key);
        offering.delete(reading);
      }
      fetching.wake();
    },
  };

  /** Was to be given up, and need not be. */
  const goOn = (reading: Reading): void => {
    reading.goesOn = true;
    reading.settled?.();
    reading.settled = undefined;
    // What is in hand may yet be kept, and must then come before what is next.
    if (!parts.inOrder || reading.progress.inHand === 0) restart(reading);
  };

  const restart = (reading: Reading): void => {
    if (stopping || reading.lost.signal.aborted) return;
    reading.goesOn = false;
    reading.leaving = silent();
    reading.returned = reading.progress.kept().map(({ handed }) => handed);
    if (hasMore(reading)) offering.add(reading);
    fetching.wake();
  };

  const openAll = async (partitions: readonly Partition[]): Promise<void> => {
    const backoff = createBackoff(clock);
    for (const one of partitions) opening.set(keyOf(one), one);
    // Taken away meanwhile, and perhaps given again: then another opens it.
    const wanted = (one: Partition): boolean => opening.get(keyOf(one)) === one;
    for (let left = partitions; left.length > 0;) {
      const asked = left;
      const positions = await parts
        .positions(asked)
        .catch((error: unknown) => asked.map(() => driverError(error)));
      if (stopping) return;
      openingProblem = undefined;
      for (const [at, one] of asked.entries()) {
        const position = positions[at]!;
        if (!wanted(one)) continue;
        if (position instanceof DriverError) openingProblem = position.message;
        else open(position);
      }
      fetching.wake();
      left = left.filter(wanted);
      if (left.length > 0) await backoff.wait(ended.signal);
    }
  };

  const open = ({ topic, partition, offset }: Position): void => {
    const key = keyOf({ topic, partition });
    opening.delete(key);
    readings.set(key, {
      topic,
      partition,
      fetchFrom: offset,
      ahead: [],
      head: 0,
      bytes: 0,
      bytesInHand: 0,
      full: false,
      end: offset,
      progress: createProgress(offset),
      committed: offset,
      known: 0,
      leaving: silent(),
      lost: silent(),
      problem: undefined,
      refusal: undefined,
      goesOn: false,
      returned: [],
      settled: undefined,
    });
  };

  const membership = parts.join(holder);

  const leave = async (): Promise<void> => {
    await finish(all());
    ended.abort();
    cancelKeep?.();
    await membership.leave();
    await client.close();
  };

  const halt = (): void => {
    stopping = true;
    fetching.stop();
    for (const reading of all()) reading.leaving.abort();
  };

  const allEnded = (): Promise<void> =>
    inHand === 0 ? Promise.resolve() : new Promise((resolve) => quiet.add(resolve));

  return {
    async start() {
      await membership.start();
      void parts.alongside?.(ended.signal);
    },
    get problem() {
      return (
        membership.problem ??
        fetching.problem ??
        openingProblem ??
        all()
          .map((reading) => reading.problem ?? refusalOf(reading))
          .find((problem) => problem !== undefined)
      );
    },
    get lag() {
      let lag = 0;
      for (const { end: last, progress } of readings.values()) lag += Math.max(0, last - progress.position);
      return lag;
    },
    resize(most) {
      maxInHand = most;
      pump();
    },
    stop() {
      ending ??= (async () => {
        halt();
        await allEnded();
        await leave();
      })();
      return ending;
    },
    abandon() {
      abandoning ??= (async () => {
        halt();
        for (const [handed, reading] of undecided) {
          undecided.delete(handed);
          end(reading, handed, 'kept');
        }
        const late = new AbortController();
        await Promise.race([allEnded(), pause(clock, CARRY_OUT_WITHIN, late.signal)]);
        late.abort();
        // One that was stopping already waits for them no longer either.
        for (const resolve of quiet) resolve();
        await (ending ??= leave());
      })();
      return abandoning;
    },
  };
}

const nameOf = ({ topic, partition }: Partition): string => `partition ${partition} of '${topic}'`;

const refusalOf = (reading: Reading): string | undefined =>
  reading.refusal && `the position of ${nameOf(reading)} is refused: ${reading.refusal}`;

/** What is done is not known to the broker. The position may be a lower one, where a topic was made anew. */
function isBehind({ lost, progress, committed }: Reading): boolean {
  return !lost.signal.aborted && progress.position !== committed;
}

/** All that is in hand listens to its signal, which Node 20 takes for a leak. */
function silent(): AbortController {
  const controller = new AbortController();
  setMaxListeners(0, controller.signal);
  return controller;
}

/** Rejects once the signal aborts. */
function rejection(signal: AbortSignal): Promise<never> {
  return new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason as Error);
    else signal.addEventListener('abort', () => reject(signal.reason as Error), { once: true });
  });
}
