import { ClosedError, type Clock, type TransportEvent } from '@nest-messaging/core/contract';
import { createBackoff } from './backoff.js';
import type { Connection } from './connection.js';
import { DriverError } from './driver/driver-error.js';
import type { NewRecord, NewTopic } from './driver/driver.js';
import { publishError } from './errors.js';
import type { Producer } from './producer/producer.js';
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
   * @throws the signal's reason, once it aborts
   * @throws {PublishRejectedError | MessageTooLargeError} if the broker refuses it
   * @throws {TopologyError} if what it needs is missing and may not or cannot be created
   * @throws {ClosedError} once the publisher is closed
   */
  send(outgoing: Outgoing, signal: AbortSignal): Promise<void>;
  /** Why the broker takes nothing though it answers; undefined while it does. */
  readonly blocked: string | undefined;
  /** Waits a moment for what is under way, rejects what was not sent. Safe to call twice; never rejects. */
  close(): Promise<void>;
}

interface Entry extends Outgoing {
  settle(error?: unknown): void;
  settled: boolean;
  /** What it needs was missing once, and was made anew. */
  mended: boolean;
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

/**
 * Of one request. The broker refuses the records of one partition as a whole if they are larger together than the
 * topic's `max.message.bytes`, 1,048,588 by default; a record may be that large alone.
 */
const BATCH = { records: 10_000, bytes: 8 * 1024 * 1024, bytesPerTopic: 900_000 };
/** What a record costs beyond its own bytes, at most. */
const OVERHEAD = 64;
/** Confirmations that are on their way when the publisher is closed, in milliseconds. */
const CLOSE_WITHIN = 2_000;

function sizeOf({ key, value, headers }: NewRecord): number {
  let size = OVERHEAD + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, bytes] of headers) size += 8 + name.length + (bytes?.length ?? 0);
  return size;
}

export function createPublisher(parts: PublisherParts): Publisher {
  const { connection, topics, clock, report } = parts;
  /** In the order in which they are to be sent; first those whose request failed. */
  let again: Entry[] = [];
  const pending = new Set<Entry>();
  /** Those whose topics are just being looked for, in their order. */
  const preparing = new Map<string, Entry[]>();
  const ended = new AbortController();
  /** In the request under way. */
  let underway: readonly Entry[] = [];
  let producer: Producer | undefined;
  let connected = false;
  let running: Promise<void> | undefined;
  let gathering = false;
  let blocked: string | undefined;
  let closing: Promise<void> | undefined;

  const gather = (): void => {
    if (gathering || running) return;
    gathering = true;
    const start = (): void => {
      gathering = false;
      running ??= run().finally(() => {
        running = undefined;
        if (ended.signal.aborted || !connection.up) return;
        if (again.length > 0 || pending.size > 0) gather();
      });
    };
    if (parts.linger > 0) clock.schedule(start, parts.linger);
    else setImmediate(start);
  };

  /** What goes into the next request, with its record. */
  const take = (): { readonly entry: Entry; readonly record: NewRecord }[] => {
    const batch: { readonly entry: Entry; readonly record: NewRecord }[] = [];
    const bytesOf = new Map<string, number>();
    const full = new Set<string>();
    let bytes = 0;
    const left: Entry[] = [];
    const consider = (entry: Entry): boolean => {
      if (batch.length >= BATCH.records || bytes >= BATCH.bytes) return false;
      const record = entry.record();
      if (full.has(record.topic)) return false;
      const size = sizeOf(record);
      const before = bytesOf.get(record.topic) ?? 0;
      if (before > 0 && before + size > BATCH.bytesPerTopic) {
        full.add(record.topic);
        return false;
      }
      bytesOf.set(record.topic, before + size);
      bytes += size;
      batch.push({ entry, record });
      return true;
    };
    for (const entry of again) if (!entry.settled && !consider(entry)) left.push(entry);
    again = left;
    for (const entry of pending) {
      if (batch.length >= BATCH.records || bytes >= BATCH.bytes) break;
      if (consider(entry)) pending.delete(entry);
    }
    return batch;
  };

  const run = async (): Promise<void> => {
    const backoff = createBackoff(clock);
    while (connection.up && !ended.signal.aborted) {
      const batch = take();
      if (batch.length === 0) return;
      underway = batch.map(({ entry }) => entry);
      const outcomes = await send(batch.map(({ record }) => record));
      underway = [];
      const failed: Entry[] = [];
      let error: DriverError | undefined;
      outcomes.forEach((outcome, at) => {
        const { entry, record } = batch[at]!;
        if (!outcome) return entry.settle();
        if (outcome.code === 'UNKNOWN_TOPIC_OR_PARTITION') return mend(entry, record.topic, outcome);
        if (!outcome.retryable) return entry.settle(publishError(record.topic, outcome));
        if (!entry.settled) failed.push(entry);
        error = outcome;
      });
      tell(error);
      if (!error) {
        backoff.reset();
        continue;
      }
      again = [...failed, ...again];
      connection.suspect(error);
      await backoff.wait(ended.signal);
    }
  };

  const send = async (records: readonly NewRecord[]): Promise<readonly (DriverError | undefined)[]> => {
    // The same one however often it fails to connect: another each time would leave connections behind.
    producer ??= parts.producer();
    try {
      if (!connected) await producer.connect();
      connected = true;
    } catch (error) {
      const failure =
        error instanceof DriverError
          ? error
          : new DriverError('CONNECTION', 'the producer could not connect', {
              retryable: true,
              cause: error,
            });
      return records.map(() => failure);
    }
    return producer.send(records, parts.requestTimeout);
  };

  /** The broker answers and does not take it, as while too few replicas are in sync. */
  const tell = (error: DriverError | undefined): void => {
    const reason =
      error === undefined ||
      error.code === 'CONNECTION' ||
      error.code === 'TIMEOUT' ||
      error.code === 'CLOSED'
        ? undefined
        : `Kafka takes nothing: ${error.message}`;
    if (reason !== undefined && blocked === undefined) report({ type: 'blocked', reason });
    if (error === undefined && blocked !== undefined) report({ type: 'unblocked' });
    if (reason !== undefined || error === undefined) blocked = reason;
  };

  /** Someone deleted a topic: once more from the start. */
  const mend = (entry: Entry, topic: string, error: DriverError): void => {
    if (entry.settled) return;
    if (entry.mended || ended.signal.aborted) return entry.settle(publishError(topic, error));
    entry.mended = true;
    topics.forget(topic);
    enter(entry);
  };

  /** Those that need the same topics keep their order while these are made. */
  const enter = (entry: Entry): void => {
    for (const { name } of entry.needs) {
      const waiting = preparing.get(name);
      if (waiting) return void waiting.push(entry);
    }
    const missing = entry.needs.filter(({ name }) => !topics.has(name));
    if (missing.length === 0) {
      pending.add(entry);
      return gather();
    }
    const list = [entry];
    for (const { name } of missing) preparing.set(name, list);
    void prepare(missing, list);
  };

  const prepare = async (needs: readonly NewTopic[], list: readonly Entry[]): Promise<void> => {
    const refusal = await ensured(needs, list);
    for (const { name } of needs) preparing.delete(name);
    for (const entry of list) {
      if (entry.settled) continue;
      if (refusal) entry.settle(refusal.error);
      // Others of its needs may have been forgotten meanwhile.
      else enter(entry);
    }
  };

  /** Waits while Kafka cannot be reached; answers why it refuses. */
  const ensured = async (
    needs: readonly NewTopic[],
    list: readonly Entry[],
  ): Promise<{ readonly error: unknown } | undefined> => {
    const backoff = createBackoff(clock);
    for (;;) {
      try {
        await topics.ensure(needs);
        return undefined;
      } catch (error) {
        if (!(error instanceof DriverError && error.retryable)) return { error };
        connection.suspect(error);
        await backoff.wait(ended.signal);
        if (ended.signal.aborted || list.every(({ settled }) => settled)) return undefined;
      }
    }
  };

  const offUp = connection.onUp(gather);

  return {
    send(outgoing, signal) {
      return new Promise((resolve, reject) => {
        if (signal.aborted) return reject(signal.reason as Error);
        if (ended.signal.aborted) return reject(new ClosedError('the transport is closed'));
        const give = (): void => entry.settle(signal.reason);
        const entry: Entry = {
          ...outgoing,
          settled: false,
          mended: false,
          settle(error) {
            if (entry.settled) return;
            entry.settled = true;
            signal.removeEventListener('abort', give);
            pending.delete(entry);
            if (error === undefined) resolve();
            else reject(error as Error);
          },
        };
        signal.addEventListener('abort', give, { once: true });
        enter(entry);
      });
    },
    get blocked() {
      return blocked;
    },
    close() {
      closing ??= (async () => {
        ended.abort();
        offUp();
        const unsent = new ClosedError('the transport was closed before the message was sent');
        for (const entry of [...again, ...pending, ...[...preparing.values()].flat()]) entry.settle(unsent);
        if (running) {
          let cancel = (): void => undefined;
          await Promise.race([
            running,
            new Promise<void>((done) => (cancel = clock.schedule(done, CLOSE_WITHIN))),
          ]);
          cancel();
        }
        for (const entry of [...underway, ...again])
          entry.settle(
            new ClosedError(
              'the transport was closed before Kafka confirmed the message: the outcome is unknown',
            ),
          );
        await producer?.close();
      })();
      return closing;
    },
  };
}
