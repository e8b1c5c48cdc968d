import { brokerError, DriverError } from '../driver-error.js';
import type { EncodedBatch, FetchLimits, Partition, Position, VersionRange } from '../driver.js';
import type { FetchedBytes } from '../fetched.js';
import { byteReader, byteWriter, type ByteReader, type ByteWriter } from '../bytes.js';
import { grouped } from '../grouped.js';
import type { Exchange } from './library.js';

/*
 * Produce and fetch in kafkajs's form of a request, without its reading: kafkajs throws away the whole answer when one
 * partition in it has failed (`parse` in requests/produce/v3/response.js and requests/fetch/v0/response.js), and so
 * does not tell which one; and see record-batch.ts. The versions are the highest that kafkajs knows; brokers speak them
 * since Kafka 2.3. Metadata and DescribeGroups tell what a user may do from versions on that kafkajs does not know
 * (KIP-430, Kafka 2.3, too).
 * @see https://kafka.apache.org/43/design/protocol/#the-messages
 */

const PRODUCE = { apiKey: 0, apiVersion: 7, apiName: 'Produce' };
const FETCH = { apiKey: 1, apiVersion: 11, apiName: 'Fetch' };
const METADATA = { apiKey: 3, apiVersion: 8, apiName: 'Metadata' };
const DESCRIBE_GROUPS = { apiKey: 15, apiVersion: 3, apiName: 'DescribeGroups' };
const ALL_REPLICAS = -1;
const READ_COMMITTED = 1;

/** What became of one partition's batch: 0 is written. */
export interface Produced extends Partition {
  readonly errorCode: number;
}

export function produce(batches: readonly EncodedBatch[], timeout: number): Exchange<readonly Produced[]> {
  return {
    request: {
      ...PRODUCE,
      encode: () =>
        encoded((writer) => {
          writer.string(null);
          writer.int16(ALL_REPLICAS);
          writer.int32(timeout);
          writeByTopic(writer, batches, ({ partition, bytes }) => {
            writer.int32(partition);
            writer.int32(bytes.length);
            writer.raw(bytes);
          });
        }),
    },
    response: answered((reader) => {
      const produced = readByTopic(reader, (topic) => {
        const partition = reader.int32();
        const errorCode = reader.int16();
        // The offset, and the time and first offset of the log.
        reader.position += 24;
        return { topic, partition, errorCode };
      });
      return { answer: produced, throttle: reader.int32() };
    }),
  };
}

export function fetch(
  positions: readonly Position[],
  limits: FetchLimits,
): Exchange<readonly FetchedBytes[]> {
  return {
    request: {
      ...FETCH,
      encode: () =>
        encoded((writer) => {
          writer.int32(-1);
          writer.int32(limits.maxWait);
          writer.int32(1);
          writer.int32(limits.maxBytes);
          writer.int8(READ_COMMITTED);
          // No fetch session: each request names all its partitions.
          writer.int32(0);
          writer.int32(-1);
          writeByTopic(writer, positions, ({ partition, offset }) => {
            writer.int32(partition);
            writer.int32(-1);
            writer.int64(offset);
            writer.int64(-1);
            writer.int32(limits.maxBytesPerPartition);
          });
          writer.int32(0);
          writer.string('');
        }),
    },
    response: answered((reader) => {
      const throttle = reader.int32();
      const errorCode = reader.int16();
      if (errorCode !== 0) throw brokerError(errorCode, 'The broker refused the fetch.');
      reader.position += 4;
      return { answer: readByTopic(reader, (topic) => readFetchedBytes(reader, topic)), throttle };
    }),
  };
}

function readFetchedBytes(reader: ByteReader, topic: string): FetchedBytes {
  const partition = reader.int32();
  const errorCode = reader.int16();
  reader.position += 8;
  const lastStableOffset = reader.int64();
  reader.position += 8;
  const aborted = readArray(reader, () => ({ producerId: reader.bigint(), firstOffset: reader.int64() }));
  reader.position += 4;
  const bytes = reader.raw(Math.max(reader.int32(), 0));
  return { topic, partition, errorCode, lastStableOffset, aborted, bytes };
}

/** What a user may do with a resource, as a field of bits. */
export interface Permitted {
  readonly name: string;
  readonly errorCode: number;
  readonly operations: number;
}

export function permittedTopics(topics: readonly string[]): Exchange<readonly Permitted[]> {
  return {
    request: {
      ...METADATA,
      encode: () =>
        encoded((writer) => {
          writeStrings(writer, topics);
          // Makes no topic, and tells of topics and not of the cluster.
          for (const told of [0, 0, 1]) writer.int8(told);
        }),
    },
    response: answered((reader) => {
      const throttle = reader.int32();
      readArray(reader, () => {
        reader.position += 4;
        reader.string();
        reader.position += 4;
        reader.string();
      });
      reader.string();
      reader.position += 4;
      const answer = readArray(reader, () => {
        const errorCode = reader.int16();
        const name = reader.string() ?? '';
        reader.position += 1;
        readArray(reader, () => {
          reader.position += 14;
          for (let lists = 0; lists < 3; lists += 1) readArray(reader, () => reader.int32());
        });
        return { name, errorCode, operations: reader.int32() };
      });
      return { answer, throttle };
    }),
  };
}

export function permittedGroups(groups: readonly string[]): Exchange<readonly Permitted[]> {
  return {
    request: {
      ...DESCRIBE_GROUPS,
      encode: () =>
        encoded((writer) => {
          writeStrings(writer, groups);
          writer.int8(1);
        }),
    },
    response: answered((reader) => {
      const throttle = reader.int32();
      const answer = readArray(reader, () => {
        const errorCode = reader.int16();
        const name = reader.string() ?? '';
        for (let words = 0; words < 3; words += 1) reader.string();
        readArray(reader, () => {
          for (let words = 0; words < 3; words += 1) reader.string();
          for (let bytes = 0; bytes < 2; bytes += 1) reader.raw(Math.max(reader.int32(), 0));
        });
        return { name, errorCode, operations: reader.int32() };
      });
      return { answer, throttle };
    }),
  };
}

/** @throws DriverError `UNSUPPORTED_VERSION` if the broker is older or newer than these requests */
export function checkVersions(versions: Readonly<Record<number, VersionRange>> | null): void {
  for (const { apiKey, apiVersion, apiName } of [PRODUCE, FETCH]) {
    const range = versions?.[apiKey];
    if (range && range.minVersion <= apiVersion && range.maxVersion >= apiVersion) continue;
    throw new DriverError(
      'UNSUPPORTED_VERSION',
      `The broker does not speak version ${apiVersion} of the request ${apiName}: Kafka 2.3 or later is needed.`,
      { retryable: false },
    );
  }
}

function encoded(write: (writer: ByteWriter) => void): Promise<{ buf: Buffer; buffer: Buffer }> {
  const writer = byteWriter();
  write(writer);
  const bytes = writer.bytes();
  return Promise.resolve({ buf: bytes, buffer: bytes });
}

/** What a broker asks for by its throttle time, kafkajs obeys in its queue: it holds requests back for so long. */
function answered<Answer>(
  read: (reader: ByteReader) => { answer: readonly Answer[]; throttle: number },
): Exchange<readonly Answer[]>['response'] {
  return {
    decode: (payload) => {
      const { answer, throttle } = read(byteReader(payload));
      return Promise.resolve(Object.assign(answer, { clientSideThrottleTime: throttle }));
    },
    parse: (answer) => Promise.resolve(answer),
  };
}

function writeStrings(writer: ByteWriter, all: readonly string[]): void {
  writer.int32(all.length);
  for (const one of all) writer.string(one);
}

function writeByTopic<Of extends Partition>(
  writer: ByteWriter,
  all: readonly Of[],
  write: (one: Of) => void,
): void {
  const topics = grouped(all, ({ topic }) => topic);
  writer.int32(topics.size);
  for (const [topic, partitions] of topics) {
    writer.string(topic);
    writer.int32(partitions.length);
    for (const one of partitions) write(one);
  }
}

function readByTopic<Of>(reader: ByteReader, read: (topic: string) => Of): Of[] {
  return readArray(reader, () => {
    const topic = reader.string() ?? '';
    return readArray(reader, () => read(topic));
  }).flat();
}

function readArray<Of>(reader: ByteReader, read: () => Of): Of[] {
  const all: Of[] = [];
  for (let left = reader.int32(); left > 0; left -= 1) all.push(read());
  return all;
}
