import { setTimeout as timer } from 'node:timers/promises';
import { keyOf } from '../driver/by-topic.js';
import { asDriverError, DriverError } from '../driver/driver-error.js';
import type { Client, NewRecord, ProducerId } from '../driver/driver.js';
import { grouped } from '../driver/grouped.js';
import { closed, createPending, timedOut } from '../driver/pending.js';
import { encodeBatch } from '../driver/record-batch.js';
import type { Compression } from '../options.js';
import { halves, inBatches, type Batch } from './batches.js';
import { createPlaces } from './places.js';

/*
 * Not the client libraries' producers. kafkajs's answers for a whole call at once; and after a request whose answer was
 * lost it counts the partition's sequence back (`updateSequence(…, -entry.messages.length)` in producer/sendMessages.js),
 * so that other records get numbers that the broker may have written already: it acknowledges them as repeated, and
 * drops them. @platformatic/kafka's tells of a failure in one partition as one of all, and tries on past any time limit.
 *
 * Here a batch keeps its producer id and its sequence in each attempt, by which the broker writes it once. What failed
 * in the end takes the id with it: the broker might take whatever comes next under its sequence for its repetition.
 */

export interface Producer {
  connect(): Promise<void>;
  /**
   * Sends the records in their order, in as few requests as can be, idempotent and with `acks=all`. One call at a time.
   * Answers in the same order what became of each: `undefined` is durably written, an error that is `retryable` may
   * have been written or not. Never rejects. After a failure nothing is ever sent under the same producer id.
   * @param timeout milliseconds
   */
  send(records: readonly NewRecord[], timeout: number): Promise<readonly (DriverError | undefined)[]>;
  /** At once: what is under way fails. */
  close(): Promise<void>;
}

type Outcome = DriverError | undefined;

interface Identity extends ProducerId {
  /** The next number of each partition. */
  readonly sequences: Map<string, number>;
}

/** Of one request to all brokers, roughly; a broker refuses more than 100 MiB (`socket.request.max.bytes`). */
const REQUEST_BYTES = 32_000_000;
/** Before a batch goes again, in milliseconds. */
const PAUSE = { first: 50, longest: 1_000 };
/** Milliseconds in which a broker must come to give the first producer id. */
const PATIENCE = 5_000;
/** They go on from 0 behind the largest signed 32-bit number. */
const SEQUENCES = 2 ** 31;

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
  let identity: Identity | undefined;

  function pause(milliseconds: number): Promise<void> {
    return timer(milliseconds, undefined, { signal: closing.signal }).catch(() => {
      throw closed();
    });
  }

  async function identify(deadline: number): Promise<Identity> {
    while (!identity) {
      try {
        identity = { ...(await client.producerId()), sequences: new Map() };
      } catch (error) {
        // Soon after its start, and now and then later, a broker waits for a range of ids from the controller.
        if (asDriverError(error).code !== 'COORDINATOR_LOAD_IN_PROGRESS') throw error;
        await pause(Math.min(PAUSE.first, left(deadline)));
      }
    }
    return identity;
  }

  /** Gives batches their numbers, once and for all. */
  async function encode(batches: readonly Batch[], deadline: number): Promise<void> {
    const fresh = batches.filter(({ bytes }) => !bytes);
    if (fresh.length === 0) return;
    const { id: producerId, epoch: producerEpoch, sequences } = await identify(deadline);
    // Whoever is late must not take numbers between those of the next call.
    left(deadline);
    const encoding = fresh.map(async (batch) => {
      const first = sequences.get(keyOf(batch)) ?? 0;
      sequences.set(keyOf(batch), (first + batch.entries.length) % SEQUENCES);
      const records = batch.entries.map(({ record }) => record);
      batch.bytes = await encodeBatch(records, { producerId, producerEpoch, first }, compression);
    });
    await Promise.all(encoding);
  }

  /**
   * One attempt for these batches, each of another partition.
   * @param written is told at once: another node may take all the time there is
   */
  async function attempt(
    batches: readonly Batch[],
    deadline: number,
    written: (batch: Batch) => void,
  ): Promise<Map<Batch, Outcome>> {
    try {
      await encode(batches, deadline);
    } catch (error) {
      return new Map(batches.map((batch) => [batch, asDriverError(error)]));
    }
    const outcomes = new Map<Batch, Outcome>();
    const led: { readonly node: number; readonly batch: Batch; readonly bytes: Buffer }[] = [];
    for (const batch of batches) {
      const node = places.leader(batch);
      if (typeof node !== 'number') outcomes.set(batch, node);
      else if (batch.bytes) led.push({ node, batch, bytes: batch.bytes });
    }
    const requests = [...grouped(led, ({ node }) => node)].map(async ([node, together]) => {
      const encoded = together.map(({ batch: { topic, partition }, bytes }) => ({ topic, partition, bytes }));
      try {
        const answers = await client.produce(node, encoded, left(deadline));
        for (const [at, { batch }] of together.entries()) {
          outcomes.set(batch, answers[at]);
          if (!answers[at]) written(batch);
        }
      } catch (error) {
        for (const { batch } of together) outcomes.set(batch, asDriverError(error));
      }
    });
    await Promise.all(requests);
    return outcomes;
  }

  /** Tells of each record as soon as anything is known, so that nothing is lost of it when the time is up. */
  async function sendAll(
    records: readonly NewRecord[],
    tell: (index: number, outcome: Outcome) => void,
    deadline: number,
  ): Promise<void> {
    const partitions = await places.place(records, deadline);
    const placed = records.flatMap((record, index) => {
      const partition = partitions[index];
      if (typeof partition === 'number') return [{ index, record, partition }];
      tell(index, partition);
      return [];
    });
    let queues = inBatches(placed);
    for (let wait = PAUSE.first; queues.length > 0;) {
      left(deadline);
      const outcomes = await attempt(upTo(REQUEST_BYTES, queues), deadline, (batch) =>
        settle([batch], undefined),
      );
      const again = new Set<string>();
      queues = queues
        .map((queue) => {
          const [head] = queue;
          if (!head || !outcomes.has(head)) return queue;
          const rest = follow(queue, outcomes.get(head));
          if (rest[0]?.failure) again.add(head.topic);
          return rest;
        })
        .filter((queue) => queue.length > 0);
      if (again.size === 0) continue;
      await pause(Math.min(wait, left(deadline)));
      wait = Math.min(wait * 2, PAUSE.longest);
      await places.refresh(again);
    }

    function settle(batches: readonly Batch[], outcome: Outcome): void {
      for (const { entries } of batches) for (const { index } of entries) tell(index, outcome);
    }

    /** What is left of a partition's queue. */
    function follow(queue: readonly Batch[], error: Outcome): Batch[] {
      const [head, ...rest] = queue as [Batch, ...Batch[]];
      if (!error || error.code === WRITTEN_ALREADY) {
        settle([head], undefined);
        return rest;
      }
      // A broker may hear of a new topic a little late, but not of a deleted one.
      const vanished = error.code === NO_SUCH_TOPIC && head.failure?.code === NO_SUCH_TOPIC;
      if (error.retryable && !vanished) {
        settle([head], error);
        head.failure = error;
        if (head.bytes) head.unsure = error;
        if (!PRODUCER_LOST.has(error.code)) return [...queue];
        identity = undefined;
        return [{ ...head, bytes: undefined }, ...rest];
      }
      identity = undefined;
      if (!AT_FAULT.has(error.code)) {
        // An earlier try may have been written all the same. What is behind it must not overtake it.
        settle([head], head.unsure ?? error);
        settle(rest, error);
        return [];
      }
      if (head.entries.length > 1) return [...halves(head), ...rest];
      settle([head], error);
      return rest;
    }
  }

  return {
    async connect() {
      await identify(performance.now() + PATIENCE);
    },
    async send(records, timeout) {
      const outcomes = new Map<number, Outcome>();
      const work = (): Promise<void> =>
        sendAll(records, (index, outcome) => void outcomes.set(index, outcome), performance.now() + timeout);
      let failure = new DriverError('UNEXPECTED', 'Nobody told what became of the record.', {
        retryable: true,
      });
      try {
        await pending.wait(timeout, work, () => timedOut('sending', timeout));
      } catch (error) {
        failure = asDriverError(error);
      }
      const answer = records.map((_, index) => (outcomes.has(index) ? outcomes.get(index) : failure));
      if (answer.some(Boolean)) identity = undefined;
      return answer;
    },
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

/** The first of each queue: as many as stay below so many bytes together, and one at least. */
function upTo(limit: number, queues: readonly (readonly Batch[])[]): Batch[] {
  let total = 0;
  return queues
    .flatMap((queue) => queue.slice(0, 1))
    .filter(({ size }, index) => {
      total += size;
      return index === 0 || total <= limit;
    });
}
