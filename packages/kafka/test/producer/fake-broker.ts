import { keyOf } from '../../src/driver/by-topic.js';
import { brokerError, DriverError } from '../../src/driver/driver-error.js';
import type { Client, EncodedBatch, StoredRecord } from '../../src/driver/driver.js';
import { decodeBatches, rawBeneath } from '../../src/driver/record-batch.js';

type Requests = Pick<Client, 'leaders' | 'producerId' | 'produce' | 'close'>;
type Outcomes = Awaited<ReturnType<Client['produce']>>;

/** A request to write, as it came. */
export interface Request {
  readonly node: number;
  readonly batches: readonly EncodedBatch[];
  /** Of each batch. */
  readonly producerIds: readonly bigint[];
  readonly sequences: readonly number[];
}

/** Writes as Kafka does: once for each producer id and sequence, and nothing out of order. */
export interface FakeBroker {
  readonly client: Requests;
  readonly requests: readonly Request[];
  /** How many producer ids it gave. */
  readonly ids: number;
  readonly closed: boolean;
  /** Who leads each partition of a topic; the test may change it. */
  readonly topics: Map<string, number[]>;
  /** What becomes of the next requests instead of being written, one each. */
  readonly instead: ((request: Request) => Outcomes | Promise<Outcomes>)[];
  /** The error by which it takes nothing for a topic, or for one of its partitions as `topic:partition`. */
  readonly sick: Map<string, number>;
  /** What the next questions for leaders or for producer ids are refused with, one each. */
  readonly refusals: { readonly leaders: DriverError[]; readonly producerId: DriverError[] };
  /** Those who may not be asked for. */
  readonly forbidden: Set<string>;
  write(request: Request): Promise<Outcomes>;
  /** The values in a partition. */
  log(topic: string, partition?: number): readonly string[];
  /** As when all that producers wrote has been deleted. */
  forgetProducers(): void;
}

export const lost = new DriverError('CONNECTION', 'as the test wants it', { retryable: true });

export const refused = (code: number): DriverError => brokerError(code, 'as the test wants it');

const NOTHING = rawBeneath(() => undefined);
const PRODUCER_ID_AT = 43;
const SEQUENCE_AT = 53;
const COUNT_AT = 57;

const OUT_OF_ORDER_SEQUENCE_NUMBER = 45;
const DUPLICATE_SEQUENCE_NUMBER = 46;
const UNKNOWN_PRODUCER_ID = 59;
const INVALID_TOPIC_EXCEPTION = 17;

export function fakeBroker(topics: Readonly<Record<string, number[]>>): FakeBroker {
  const logs = new Map<string, StoredRecord[]>();
  const expected = new Map<string, number>();
  const requests: Request[] = [];
  let ids = 0;
  let closed = false;

  async function writeBatch(batch: EncodedBatch): Promise<DriverError | undefined> {
    const code = broker.sick.get(batch.topic) ?? broker.sick.get(keyOf(batch));
    if (code !== undefined) return refused(code);
    const [id, sequence] = [batch.bytes.readBigInt64BE(PRODUCER_ID_AT), batch.bytes.readInt32BE(SEQUENCE_AT)];
    const key = `${id} ${keyOf(batch)}`;
    const next = expected.get(key);
    if (next === undefined && sequence > 0) return refused(UNKNOWN_PRODUCER_ID);
    if (sequence < (next ?? 0)) return refused(DUPLICATE_SEQUENCE_NUMBER);
    if (sequence > (next ?? 0)) return refused(OUT_OF_ORDER_SEQUENCE_NUMBER);
    expected.set(key, sequence + batch.bytes.readInt32BE(COUNT_AT));
    const { batches } = await decodeBatches(batch.bytes, batch, NOTHING);
    const log = logs.get(keyOf(batch)) ?? [];
    logs.set(keyOf(batch), [...log, ...batches.flatMap(({ records }) => records)]);
    return undefined;
  }

  const broker: FakeBroker = {
    requests,
    get ids() {
      return ids;
    },
    get closed() {
      return closed;
    },
    topics: new Map(Object.entries(topics)),
    instead: [],
    sick: new Map(),
    refusals: { leaders: [], producerId: [] },
    forbidden: new Set(),
    write: ({ batches }) => Promise.all(batches.map(writeBatch)),
    log: (topic, partition = 0) =>
      (logs.get(keyOf({ topic, partition })) ?? []).map(({ value }) => String(value)),
    forgetProducers: () => expected.clear(),
    client: {
      async leaders(names) {
        const refusal = broker.refusals.leaders.shift();
        if (refusal) throw refusal;
        if (names.some((name) => broker.forbidden.has(name))) throw refused(INVALID_TOPIC_EXCEPTION);
        return new Map([...broker.topics].filter(([name]) => names.includes(name)));
      },
      async producerId() {
        const refusal = broker.refusals.producerId.shift();
        if (refusal) throw refusal;
        ids += 1;
        return { id: BigInt(ids), epoch: 0 };
      },
      async produce(node, batches) {
        const request = {
          node,
          batches,
          producerIds: batches.map(({ bytes }) => bytes.readBigInt64BE(PRODUCER_ID_AT)),
          sequences: batches.map(({ bytes }) => bytes.readInt32BE(SEQUENCE_AT)),
        };
        requests.push(request);
        return (broker.instead.shift() ?? broker.write)(request);
      },
      async close() {
        closed = true;
      },
    },
  };
  return broker;
}
