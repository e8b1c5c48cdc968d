import {
  ClosedError,
  createBackoff,
  createTurnoverSet,
  whenAborted,
  type Clock,
  type TransportEvent,
  type TurnoverSet,
} from '@nest-messaging/core/contract';
import type { Connection } from './connection.js';
import { keyOf } from './driver/by-topic.js';
import { DriverError } from './driver/driver-error.js';
import type { NewRecord, NewTopic, Partition } from './driver/driver.js';
import { recordBytes } from './driver/record-batch.js';
import { publishError } from './errors.js';
import { BATCH_BYTES } from './producer/batches.js';
import { createLine, type Line } from './producer/line.js';
import type { Producer } from './producer/producer.js';
import { createTroubles } from './producer/troubles.js';
import type { Topics } from './topics.js';

/** A record on its way, and what must exist before. */
export interface Outgoing {
  /** Asked for each time it is sent: a delay that began long ago is shorter by then. */
  readonly record: () => NewRecord;
  readonly needs: readonly NewTopic[];
}

/** Gathers what is published at the same time into few requests. */
export interface Publisher {
  /**
   * Resolves when the record is durably written. What was not confirmed for want of a connection is sent again.
   * A partition that takes nothing holds up only what is to go there.
   * @throws the signal's reason, once it aborts
   * @throws {PublishRejectedError | MessageTooLargeError} if the broker refuses it
   * @throws {TopologyError} if what it needs is missing and may not or cannot be created
   * @throws {ClosedError} once the publisher is closed
   */
  send(outgoing: Outgoing, signal: AbortSignal): Promise<void>;
  /** Why some partition takes nothing though the broker answers; undefined while there is none. */
  readonly blocked: string | undefined;
  /** Waits a moment for what is under way, rejects what was not sent. Safe to call twice; never rejects. */
  close(): Promise<void>;
}

interface Entry extends Outgoing {
  settle(error?: unknown): void;
  settled: boolean;
  /** Those with whom it waits, or has waited. */
  among?: TurnoverSet<Entry>;
  /** It may have been written. */
  sent: boolean;
  /** The partition that it was sent to has not taken it. */
  stuck: boolean;
  /** What it needs was missing once, and was made anew. */
  mended: boolean;
}

interface Failed {
  readonly entry: Entry;
  readonly topic: string;
  readonly error: DriverError;
}

export interface PublisherParts {
  readonly producer: () => Producer;
  readonly connection: Connection;
  readonly topics: Topics;
  /** Milliseconds. */
  readonly linger: number;
  /** Milliseconds that one request may take. */
  readonly requestTimeout: number;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
}

/** What goes to a partition at once: as much as the broker takes together. A record may be larger alone. */
const BATCH = { records: 10_000, bytes: BATCH_BYTES };
/** Confirmations that are on their way when the publisher is closed, in milliseconds. */
const CLOSE_WITHIN = 2_000;
const NO_SUCH_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';

const needsAll = (entry: Entry, topics: readonly NewTopic[]): boolean =>
  topics.every(({ name }) => entry.needs.some((need) => need.name === name));

export function createPublisher(parts: PublisherParts): Publisher {
  const { connection, topics, clock, requestTimeout } = parts;
  const troubles = createTroubles(clock, parts.report);
  const ended = new AbortController();
  /** Those whose topics are just being looked for, in their order. */
  const preparing = new Map<string, TurnoverSet<Entry>>();
  /**
   * Of each topic those that have no partition yet, and of each partition those to be sent: neither waits for another.
   * A partition has one batch under way at a time, which keeps its order whatever becomes of the batch.
   */
  const lines = new Map<string, Line<Entry>>();
  /** Those whose turn has come. */
  const underway = createTurnoverSet<readonly { readonly entry: Entry }[]>();
  let gathering = false;
  let producer: Producer | undefined;
  let connecting: Promise<void> | undefined;
  let closing: Promise<void> | undefined;

  const join = (set: TurnoverSet<Entry>, entry: Entry): void => {
    set.add(entry);
    entry.among = set;
  };

  const may = (): boolean => connection.up && !ended.signal.aborted;

  const open = (key: string, work: (waiting: TurnoverSet<Entry>) => Promise<boolean>): Line<Entry> => {
    const idle = (): void => void lines.delete(key);
    const line = createLine({ work, may, clock, ended: ended.signal, idle });
    lines.set(key, line);
    return line;
  };

  /** Waits for others that may share its request. */
  const gather = (): void => {
    if (gathering) return;
    gathering = true;
    const start = (): void => {
      gathering = false;
      if (may()) for (const line of lines.values()) line.go();
    };
    if (parts.linger > 0) clock.schedule(start, parts.linger);
    else setImmediate(start);
  };

  const begin = (entry: Entry): void => {
    const { topic } = entry.record();
    const line = lines.get(topic) ?? open(topic, (waiting) => locate(topic, waiting));
    join(line.waiting, entry);
    gather();
  };

  /** The same one however often it fails to connect: another each time would leave connections behind. */
  const own = (): Producer => (producer ??= parts.producer());

  const partitionsOf = async (records: readonly NewRecord[]): Promise<readonly (number | DriverError)[]> => {
    try {
      await (connecting ??= own().connect());
    } catch (cause) {
      connecting = undefined;
      const error =
        cause instanceof DriverError
          ? cause
          : new DriverError('CONNECTION', 'the producer could not connect', { retryable: true, cause });
      return records.map(() => error);
    }
    return own().place(records, requestTimeout);
  };

  /** Finds their partitions for all that wait in a topic's line. */
  const locate = async (topic: string, waiting: TurnoverSet<Entry>): Promise<boolean> => {
    const placing = Array.from(waiting, (entry) => ({ entry, record: entry.record() }));
    waiting.clear();
    underway.add(placing);
    const partitions = await partitionsOf(placing.map(({ record }) => record));
    underway.delete(placing);
    const place = `'${topic}'`;
    const failed: Failed[] = [];
    for (let at = 0; at < placing.length; at += 1) {
      const { entry, record } = placing[at]!;
      const partition = partitions[at]!;
      if (typeof partition !== 'number') {
        fail({ entry, topic: record.topic, error: partition }, failed);
      } else if (!entry.settled) {
        const where = { topic: record.topic, partition };
        const key = keyOf(where);
        const line = lines.get(key) ?? open(key, (those) => deliver(where, those));
        join(line.waiting, entry);
      }
    }
    if (failed.length === 0) troubles.taken(place);
    for (const line of lines.values()) line.go();
    return follow(place, failed, waiting);
  };

  /** What goes to a partition next. */
  const take = (
    topic: string,
    waiting: TurnoverSet<Entry>,
  ): { readonly entry: Entry; readonly record: NewRecord }[] => {
    const batch: { readonly entry: Entry; readonly record: NewRecord }[] = [];
    let bytes = 0;
    for (const entry of waiting) {
      const record = entry.record();
      // What has waited long may be due elsewhere; and what has no key may find a partition that takes it.
      if (record.topic !== topic || (entry.stuck && record.key === null && record.partition === undefined)) {
        waiting.delete(entry);
        entry.stuck = false;
        begin(entry);
        continue;
      }
      bytes += recordBytes(record);
      if (batch.length > 0 && (batch.length >= BATCH.records || bytes > BATCH.bytes)) break;
      waiting.delete(entry);
      batch.push({ entry, record });
    }
    return batch;
  };

  /** Sends a batch of those that wait in a partition's line. */
  const deliver = async ({ topic, partition }: Partition, waiting: TurnoverSet<Entry>): Promise<boolean> => {
    const batch = take(topic, waiting);
    if (batch.length === 0) return false;
    for (const { entry } of batch) entry.sent = true;
    underway.add(batch);
    const records = batch.map(({ record }) => record);
    const place = `partition ${partition} of '${topic}'`;
    const failed: Failed[] = [];
    await own().write({ topic, partition }, records, requestTimeout, {
      settled(index, error) {
        const { entry } = batch[index]!;
        if (!error || fail({ entry, topic, error }, failed)) troubles.taken(place);
        if (!error) entry.settle();
      },
      refused: (error) => troubles.refused(place, error),
    });
    underway.delete(batch);
    return follow(place, failed, waiting);
  };

  /** Settles what was refused for good, and answers so; the others may go again. */
  const fail = (one: Failed, others: Failed[]): boolean => {
    const { entry, topic, error } = one;
    const vanished = error.code === NO_SUCH_TOPIC;
    const final = vanished ? entry.mended || ended.signal.aborted : !error.retryable;
    if (final) entry.settle(publishError(topic, error));
    else others.push(one);
    return final;
  };

  /** Lets those that failed go again, before those that wait. Answers whether to pause first. */
  const follow = (place: string, failed: readonly Failed[], waiting: TurnoverSet<Entry>): boolean => {
    const gone = new Set<string>();
    let failure: DriverError | undefined;
    for (const { entry, topic, error } of failed) {
      if (error.code === NO_SUCH_TOPIC) {
        entry.mended = true;
        gone.add(topic);
      } else {
        entry.stuck = true;
        failure = error;
      }
    }
    if (failure) {
      troubles.refused(place, failure, true);
      connection.suspect(failure);
    }
    const all = [...failed.map(({ entry }) => entry), ...waiting].filter(({ settled }) => !settled);
    waiting.clear();
    // Someone deleted the topic: once more from the start, with those behind, which must not overtake.
    for (const topic of gone) topics.forget(topic);
    for (const entry of all) {
      if (gone.size > 0) enter(entry);
      else join(waiting, entry);
    }
    return gone.size === 0 && failure !== undefined;
  };

  /** Those that need the same topics keep their order while these are made. */
  const enter = (entry: Entry): void => {
    for (const { name } of entry.needs) {
      const waiting = preparing.get(name);
      if (waiting) return join(waiting, entry);
    }
    const missing = entry.needs.filter(({ name }) => !topics.has(name));
    if (missing.length === 0) return begin(entry);
    const waiting = createTurnoverSet<Entry>();
    join(waiting, entry);
    for (const { name } of missing) preparing.set(name, waiting);
    void prepare(missing, waiting);
  };

  const prepare = async (needs: readonly NewTopic[], waiting: TurnoverSet<Entry>): Promise<void> => {
    const refusal = await ensured(needs, waiting);
    for (const { name } of needs) if (preparing.get(name) === waiting) preparing.delete(name);
    for (const entry of waiting) {
      // What is refused may be none of its needs, if it shares others of them.
      if (refusal && needsAll(entry, needs)) entry.settle(refusal.error);
      // Others of its needs may have been forgotten meanwhile.
      else enter(entry);
    }
  };

  /** What is there by now holds up nobody who needs no more of it. */
  const letGo = (needs: readonly NewTopic[], waiting: TurnoverSet<Entry>): void => {
    const there = needs.filter(({ name }) => topics.has(name) && preparing.get(name) === waiting);
    if (there.length === 0) return;
    for (const { name } of there) preparing.delete(name);
    for (const entry of waiting) {
      if (entry.needs.some(({ name }) => preparing.get(name) === waiting)) continue;
      waiting.delete(entry);
      enter(entry);
    }
  };

  /** Waits while Kafka cannot be reached, or cannot make them just now; answers why it refuses. */
  const ensured = async (
    needs: readonly NewTopic[],
    waiting: TurnoverSet<Entry>,
  ): Promise<{ readonly error: unknown } | undefined> => {
    const backoff = createBackoff(clock);
    for (;;) {
      try {
        await topics.ensure(needs);
        return undefined;
      } catch (error) {
        if (!(error instanceof DriverError && error.retryable)) return { error };
        connection.suspect(error);
        letGo(needs, waiting);
        await backoff.wait(ended.signal);
        if (ended.signal.aborted || waiting.size === 0) return undefined;
      }
    }
  };

  const unsettled = (): Entry[] => {
    const waiting = [...preparing.values(), ...Array.from(lines.values(), (line) => line.waiting)];
    const all = [...waiting.flatMap((set) => [...set]), ...[...underway].flat().map(({ entry }) => entry)];
    return all.filter(({ settled }) => !settled);
  };

  const offUp = connection.onUp(gather);

  return {
    send(outgoing, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        if (ended.signal.aborted) return reject(new ClosedError('the transport is closed'));
        const entry: Entry = {
          ...outgoing,
          settled: false,
          sent: false,
          stuck: false,
          mended: false,
          settle(error) {
            if (entry.settled) return;
            entry.settled = true;
            ignore();
            entry.among?.delete(entry);
            if (error === undefined) resolve();
            else reject(error as Error);
          },
        };
        const ignore = whenAborted(signal, () => entry.settle(signal.reason));
        enter(entry);
      });
    },
    get blocked() {
      return troubles.blocked;
    },
    close() {
      closing ??= (async () => {
        ended.abort();
        offUp();
        const unsent = new ClosedError('the transport was closed before the message was sent');
        for (const entry of unsettled()) if (!entry.sent) entry.settle(unsent);
        if (unsettled().length > 0) {
          let cancel = (): void => undefined;
          await Promise.race([
            Promise.all(Array.from(lines.values(), async ({ working }) => working)),
            new Promise<void>((done) => (cancel = clock.schedule(done, CLOSE_WITHIN))),
          ]);
          cancel();
        }
        const unknown = new ClosedError(
          'the transport was closed before Kafka confirmed the message: the outcome is unknown',
        );
        for (const entry of unsettled()) entry.settle(unknown);
        troubles.close();
        await producer?.close();
      })();
      return closing;
    },
  };
}
