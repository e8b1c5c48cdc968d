import { keyOf } from '../driver/by-topic.js';
import { asDriverError, type DriverError } from '../driver/driver-error.js';
import type { Client } from '../driver/driver.js';
import { timedOut } from '../driver/pending.js';
import { encodeBatch } from '../driver/record-batch.js';
import type { Compression } from '../options.js';
import type { Batch } from './batches.js';
import { gathered } from './gathered.js';
import type { Identities } from './identities.js';

export type Outcome = DriverError | undefined;

/** Sends a batch to the node that leads its partition; answers what became of it, and never rejects. */
export type Request = (node: number, batch: Batch) => Promise<Outcome>;

interface Waiting {
  readonly batch: Batch;
  readonly answer: (outcome: Outcome) => void;
}

/**
 * Of one request, roughly. A broker refuses more than 100 MiB (`socket.request.max.bytes`); fewer, as all of it is
 * encoded in one turn of the event loop.
 */
const REQUEST_BYTES = 8_000_000;
/** They go on from 0 behind the largest signed 32-bit number. */
const SEQUENCES = 2 ** 31;

/**
 * To each node one request at a time, with a batch of each partition that waits for it: the broker answers the requests
 * of a connection one after the other anyway. Nodes do not wait for each other.
 */
export function createRequests(
  client: Pick<Client, 'produce'>,
  identities: Identities,
  compression: Compression,
): Request {
  const nodes = new Map<number, (waiting: Waiting) => void>();

  /** Gives batches their numbers, once and for all. */
  async function encode(lot: readonly Waiting[]): Promise<void> {
    const fresh = lot.filter(({ batch }) => !batch.bytes);
    if (fresh.length === 0) return;
    try {
      while (!identities.current) await identities.renew();
    } catch (error) {
      for (const { answer } of fresh) answer(asDriverError(error));
      return;
    }
    const identity = identities.current;
    const encoding = fresh.map(async ({ batch, answer }) => {
      // Whoever gave up meanwhile must not take numbers from those that come after it.
      if (batch.over) return;
      const { id: producerId, epoch: producerEpoch, sequences } = identity;
      const first = sequences.get(keyOf(batch)) ?? 0;
      sequences.set(keyOf(batch), (first + batch.records.length) % SEQUENCES);
      batch.identity = identity;
      try {
        batch.bytes = await encodeBatch(batch.records, { producerId, producerEpoch, first }, compression);
      } catch (error) {
        answer(asDriverError(error));
      }
    });
    await Promise.all(encoding);
  }

  async function ask(node: number, waiting: readonly Waiting[]): Promise<readonly Waiting[]> {
    const wanted = waiting.filter(({ batch }) => !batch.over);
    const lot = upTo(REQUEST_BYTES, wanted);
    await encode(lot);
    const sent = lot.flatMap(({ batch, answer }) => {
      const { topic, partition, bytes, deadline, over } = batch;
      return bytes && !over ? [{ encoded: { topic, partition, bytes }, deadline, answer }] : [];
    });
    if (sent.length > 0) {
      // The longest of them: with the shortest, one whose time is nearly over would end the connection of all.
      const limit = Math.max(...sent.map(({ deadline }) => deadline)) - performance.now();
      try {
        const answers = await client.produce(
          node,
          sent.map(({ encoded }) => encoded),
          Math.max(limit, 1),
        );
        for (const [at, { answer }] of sent.entries()) answer(answers[at]);
      } catch (error) {
        for (const { answer } of sent) answer(asDriverError(error));
      }
    }
    // Nobody waits for these any more.
    for (const { batch, answer } of waiting) if (batch.over) answer(timedOut('sending', 0));
    return wanted.filter((each) => !lot.includes(each));
  }

  return (node, batch) =>
    new Promise((answer) => {
      let door = nodes.get(node);
      if (!door) nodes.set(node, (door = gathered((waiting) => ask(node, waiting))));
      door({ batch, answer });
    });
}

/** As many as stay below so many bytes together, and one at least. */
function upTo(limit: number, waiting: readonly Waiting[]): Waiting[] {
  let total = 0;
  return waiting.filter(({ batch }, index) => {
    total += batch.size;
    return index === 0 || total <= limit;
  });
}
