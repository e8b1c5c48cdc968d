import { setTimeout as timer } from 'node:timers/promises';
import { asDriverError, DriverError } from '../driver/driver-error.js';
import type { Client, NewRecord, Partition } from '../driver/driver.js';
import { closed, createPending, timedOut } from '../driver/pending.js';
import type { Compression } from '../options.js';
import { halves, inBatches, unnumbered, type Batch } from './batches.js';
import { createIdentities } from './identities.js';
import { createPlaces } from './places.js';
import { createRequests, type Outcome } from './requests.js';

/*
 * Not the client libraries' producers. kafkajs's answers for a whole call at once; and after a request whose answer was
 * lost it counts the partition's sequence back (`updateSequence(…, -entry.messages.length)` in producer/sendMessages.js),
 * so that other records get numbers that the broker may have written already: it acknowledges them as repeated, and
 * drops them. @platformatic/kafka's tells of a failure in one partition as one of all, and tries on past any time limit.
 *
 * Here a batch keeps its producer id and its sequence in each attempt, by which the broker writes it once. What failed
 * in the end takes the id with it: the broker might take whatever comes next under its sequence for its repetition.
 *
 * Each partition goes its own way: one that has too few replicas, or no leader, keeps only itself waiting. What is to be
 * sent to the same node at the same time shares a request all the same.
 */

export interface Producer {
  connect(): Promise<void>;
  /** In which partition each record goes, or why in none. Never rejects. @param timeout milliseconds */
  place(records: readonly NewRecord[], timeout: number): Promise<readonly (number | DriverError)[]>;
  /**
   * Writes records to a partition in their order, idempotent and with `acks=all`, and resolves when all are settled.
   * Of one partition one call at a time; calls for several share requests. Never rejects. After a failure nothing new is
   * ever sent under the same producer id.
   * @param timeout milliseconds
   */
  write(where: Partition, records: readonly NewRecord[], timeout: number, listener: Listener): Promise<void>;
  /** At once: what is under way fails. */
  close(): Promise<void>;
}

export interface Listener {
  /**
   * What became of a record, as soon as that is known, and once: `undefined` is durably written, an error that is
   * `retryable` may have been written or not.
   */
  settled(index: number, outcome: DriverError | undefined): void;
  /** A partition did not take its records at an attempt; they go again. */
  refused(error: DriverError): void;
}

/** Before a batch goes again, in milliseconds. */
const PAUSE = { first: 50, longest: 1_000 };

/** One of the batch's records is at fault; the broker does not tell which one. 32 is INVALID_TIMESTAMP. */
const AT_FAULT: ReadonlySet<string> = new Set([
  'MESSAGE_TOO_LARGE',
  'RECORD_LIST_TOO_LARGE',
  'INVALID_RECORD',
  'KAFKA_32',
]);
/** The broker has forgotten the producer id or what it wrote last, and would refuse the same numbers again. */
const PRODUCER_LOST: ReadonlySet<string> = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
]);
/** It came before, and its answer was lost. */
const WRITTEN_ALREADY = 'DUPLICATE_SEQUENCE_NUMBER';
const NO_SUCH_TOPIC = 'UNKNOWN_TOPIC_OR_PARTITION';

/** @param client for the producer alone; it closes with it */
export function createProducer(
  client: Pick<Client, 'leaders' | 'producerId' | 'produce' | 'close'>,
  compression: Compression,
): Producer {
  const pending = createPending();
  const closing = new AbortController();
  const places = createPlaces(client, pause);
  const identities = createIdentities(client, pause);
  const request = createRequests(client, identities, compression);

  function pause(milliseconds: number): Promise<void> {
    return timer(milliseconds, undefined, { signal: closing.signal }).catch(() => {
      throw closed();
    });
  }

  async function place(
    records: readonly NewRecord[],
    timeout: number,
  ): Promise<readonly (number | DriverError)[]> {
    const deadline = performance.now() + timeout;
    const work = (): Promise<(number | DriverError)[]> => places.place(records, deadline);
    try {
      return await pending.wait(timeout, work, () => timedOut('finding the partitions', timeout));
    } catch (thrown) {
      const error = asDriverError(thrown);
      return records.map(() => error);
    }
  }

  async function write(
    where: Partition,
    records: readonly NewRecord[],
    timeout: number,
    listener: Listener,
  ): Promise<void> {
    const deadline = performance.now() + timeout;
    let queue = inBatches(where, records, deadline);
    let over = false;

    const settle = (batches: readonly Batch[], outcome: Outcome): void => {
      for (const { from, records: settled } of batches)
        for (let at = 0; at < settled.length; at += 1) listener.settled(from + at, outcome);
    };

    /** What is left of the queue. */
    const follow = ([head, ...rest]: readonly [Batch, ...Batch[]], error: Outcome): Batch[] => {
      if (!error || error.code === WRITTEN_ALREADY) {
        settle([head], undefined);
        return rest;
      }
      // A broker may hear of a new topic a little late, but not of a deleted one.
      const vanished = error.code === NO_SUCH_TOPIC && head.failure?.code === NO_SUCH_TOPIC;
      if (error.retryable && !vanished) {
        head.failure = error;
        if (head.bytes) head.unsure = error;
        if (!PRODUCER_LOST.has(error.code)) return [head, ...rest];
        identities.retire(head.identity);
        return [unnumbered(head), ...rest];
      }
      identities.retire(head.identity);
      if (!AT_FAULT.has(error.code)) {
        // An earlier try may have been written all the same. What is behind it must not overtake it.
        settle([head], head.unsure ?? error);
        settle(rest, error);
        return [];
      }
      if (head.records.length > 1) return [...halves(head), ...rest];
      settle([head], error);
      return rest;
    };

    const work = async (): Promise<void> => {
      for (let wait = PAUSE.first; ;) {
        const [head, ...rest] = queue;
        if (!head) return;
        const node = places.leader(where);
        const outcome = typeof node === 'number' ? await request(node, head) : node;
        if (over) return;
        queue = follow([head, ...rest], outcome);
        const failure = queue[0]?.failure;
        if (!failure) continue;
        listener.refused(failure);
        await pause(Math.min(wait, left(deadline)));
        wait = Math.min(wait * 2, PAUSE.longest);
        await places.refresh([where.topic]);
        left(deadline);
      }
    };

    try {
      await pending.wait(timeout, work, () => timedOut('sending', timeout));
    } catch (thrown) {
      over = true;
      for (const batch of queue) batch.over = true;
      identities.retire(queue[0]?.identity);
      settle(queue, queue[0]?.failure ?? asDriverError(thrown));
    }
  }

  return {
    async connect() {
      await identities.renew();
    },
    place,
    write,
    async close() {
      pending.giveUp(closed());
      closing.abort();
      await client.close();
    },
  };
}

/** Milliseconds. @throws {DriverError} if there are none, so that nothing is sent late */
function left(deadline: number): number {
  const remaining = deadline - performance.now();
  if (remaining <= 0) throw new DriverError('TIMEOUT', 'The time to send is over.', { retryable: true });
  return remaining;
}
