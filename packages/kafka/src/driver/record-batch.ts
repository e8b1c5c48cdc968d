import type { Compression } from '../options.js';
import { byteReader, byteWriter, LONGEST_VARINT, type ByteReader, type ByteWriter } from './bytes.js';
import type { FetchedBatch } from './committed-records.js';
import { codec, COMPRESSIONS } from './compression.js';
import { crc32c } from './crc32c.js';
import { brokerError, DriverError } from './driver-error.js';
import type { NewRecord, Partition, StoredRecord } from './driver.js';
import { createLastTexts } from './last-texts.js';

/*
 * Batches in Kafka's format 2, the only one since Kafka 4. Not left to the client libraries, so that all write the same,
 * a batch goes again byte for byte, and one that cannot be read loses none of those in front of it. kafkajs throws on a
 * header without a value (`Buffer.byteLength(null)` in recordBatch/record/v0/index.js), loses the order of headers whose
 * names repeat or look like numbers (it keeps them in an object), does not tell the last offset of a batch that
 * compaction has emptied, which a consumer would then fetch for ever, and overflows the stack on a batch of some 100,000
 * records (`records.push(...)` in requests/fetch/v4/decodeMessages.js).
 * @see https://kafka.apache.org/43/implementation/message-format/
 */

const COMPRESSION_MASK = 0x07;
const LOG_APPEND_TIME = 0x08;
const TRANSACTIONAL = 0x10;
const CONTROL = 0x20;
const MAGIC = 2;
/** Where it is, in every format that there was. */
const MAGIC_AT = 16;
/** From the base offset up to and with the count of records. */
const HEADER_BYTES = 61;
/** The base offset and the length, which the length does not count. */
const UNCOUNTED_BYTES = 12;
/** The checksum is over what comes behind it. */
const CHECKSUM_AT = 17;
const CHECKED_FROM = 21;

const CORRUPT_MESSAGE = 2;

/** Bytes of decompressed records after which no further batch of an answer is read: several could be huge. */
const ENOUGH = 32 * 1024 * 1024;

/** By whom, and as the how manieth record of the partition: by this the broker knows what it has already. */
export interface Sequence {
  readonly producerId: bigint;
  readonly producerEpoch: number;
  readonly first: number;
}

/** About how many bytes a record takes in a batch that is not compressed; never fewer than it really takes. */
export function recordBytes({ key, value, headers }: NewRecord): number {
  let bytes = 30 + (key?.length ?? 0) + (value?.length ?? 0);
  for (const [name, content] of headers)
    bytes += 10 + 3 * name.length + (typeof content === 'string' ? 3 : 1) * (content?.length ?? 0);
  return bytes;
}

export async function encodeBatch(
  records: readonly NewRecord[],
  sequence: Sequence,
  compression: Compression,
): Promise<Buffer> {
  const now = Date.now();
  // With room for the last one's length, or a record that goes alone would be given twice its bytes, and then once more.
  const body = byteWriter(records.reduce((bytes, record) => bytes + recordBytes(record), LONGEST_VARINT));
  for (let index = 0; index < records.length; index += 1) writeRecord(body, records[index]!, index);
  const compressed = await (await codec(compression)).compress(body.bytes());

  const batch = byteWriter(HEADER_BYTES + compressed.length);
  batch.int64(0);
  batch.int32(HEADER_BYTES - UNCOUNTED_BYTES + compressed.length);
  batch.int32(-1);
  batch.int8(MAGIC);
  batch.int32(0);
  batch.int16(COMPRESSIONS.indexOf(compression));
  batch.int32(records.length - 1);
  batch.int64(now);
  batch.int64(now);
  batch.int64(sequence.producerId);
  batch.int16(sequence.producerEpoch);
  batch.int32(sequence.first);
  batch.int32(records.length);
  batch.raw(compressed);
  const bytes = batch.bytes();
  bytes.writeUInt32BE(crc32c(bytes.subarray(CHECKED_FROM)), CHECKSUM_AT);
  return bytes;
}

function writeRecord(writer: ByteWriter, record: NewRecord, index: number): void {
  const { key, value, headers } = record;
  writer.measured(recordBytes(record), () => {
    // No attributes, and as late as the batch.
    writer.int8(0);
    writer.varint(0);
    writer.varint(index);
    writer.varintBytes(key);
    writer.varintBytes(value);
    writer.varint(headers.length);
    for (const [name, content] of headers) {
      writer.varintString(name);
      if (typeof content === 'string') writer.varintString(content);
      else writer.varintBytes(content);
    }
  });
}

export interface DecodedBatches {
  readonly batches: FetchedBatch<StoredRecord>[];
  /** Why the batch behind the last of them cannot be read. */
  readonly unreadable?: DriverError;
}

/** Where a record's parts lie in what was fetched. */
interface Lying {
  readonly content: Buffer;
  readonly keyAt: number;
  readonly valueAt: number;
  readonly headersAt: number;
}

/**
 * The prototype of records, with what is made of their bytes when it is asked for: a thousand of each partition wait to be
 * handed over, and objects that wait are moved by the garbage collector. A getter of its own for each record takes half
 * as long as all the rest of it, and another prototype for each batch three times as long.
 */
export type Beneath = Pick<StoredRecord, 'key' | 'value' | 'headers' | 'texts' | 'raw'>;

const NOTHING = Buffer.alloc(0);

/** @param raw the record as the client library hands it to its consumers */
export function rawBeneath(raw: (record: StoredRecord) => unknown): Beneath {
  // One for all records: what is read of one is read without a pause.
  const reader = byteReader(NOTHING);
  const textAt = createLastTexts();

  const bytesAt = (content: Buffer, position: number): Buffer | null => {
    reader.begin(content, position);
    return reader.varintBytes();
  };

  function headersOf<Value>({ content, headersAt }: Lying, read: (at: number) => Value): [string, Value][] {
    reader.begin(content, headersAt);
    const headers: [string, Value][] = [];
    const count = 2 * reader.varint();
    for (let at = 0; at < count; at += 2) headers.push([text(at) ?? '', read(at + 1)]);
    return headers;
  }

  const text = (at: number): string | null => reader.varintText(textAt, at);

  return {
    get key() {
      const { content, keyAt } = this as unknown as Lying;
      return bytesAt(content, keyAt);
    },
    get value() {
      const { content, valueAt } = this as unknown as Lying;
      return bytesAt(content, valueAt);
    },
    get headers() {
      return headersOf(this as unknown as Lying, () => reader.varintBytes());
    },
    get texts() {
      return headersOf(this as unknown as Lying, text);
    },
    get raw() {
      return raw(this as StoredRecord);
    },
  };
}

/**
 * Reads all batches that are whole: the broker cuts the last one off where the answer's limit is reached.
 * @param beneath of each record: see {@link Beneath}
 */
export async function decodeBatches(
  bytes: Buffer,
  from: Partition,
  beneath: Beneath,
): Promise<DecodedBatches> {
  const batches: FetchedBatch<StoredRecord>[] = [];
  let decompressed = 0;
  for (let start = 0, end: number; start + MAGIC_AT < bytes.length; start = end) {
    // What is left is fetched again.
    if (decompressed > ENOUGH) break;
    const reader = byteReader(bytes);
    reader.position = start;
    const baseOffset = reader.int64();
    end = start + UNCOUNTED_BYTES + reader.int32();
    if (end > bytes.length) break;
    try {
      const { batch, size } = await decodeBatch(reader, { start, end, baseOffset }, from, beneath);
      batches.push(batch);
      decompressed += size;
    } catch (cause) {
      return { batches, unreadable: unreadable(cause, from, baseOffset) };
    }
  }
  return { batches };
}

async function decodeBatch(
  reader: ByteReader,
  { start, end, baseOffset }: { readonly start: number; readonly end: number; readonly baseOffset: number },
  { topic, partition }: Partition,
  beneath: Beneath,
): Promise<{ readonly batch: FetchedBatch<StoredRecord>; readonly size: number }> {
  reader.int32();
  const magic = reader.int8();
  if (magic !== MAGIC)
    throw new DriverError(
      'UNSUPPORTED_FOR_MESSAGE_FORMAT',
      `The records at offset ${baseOffset} of partition ${partition} of ${topic} are in format ${magic}, as before Kafka 0.11, and only ${MAGIC} is read.`,
      { retryable: false },
    );
  if (end - start < HEADER_BYTES) throw new Error(`its length is ${end - start} bytes`);
  reader.int32();
  const attributes = reader.int16();
  const lastOffset = baseOffset + reader.int32();
  const baseTimestamp = reader.int64();
  const maxTimestamp = reader.int64();
  const producerId = reader.bigint();
  reader.int16();
  reader.int32();
  const count = reader.int32();
  const compressed = reader.raw(end - reader.position);
  const { decompress } = await codec(COMPRESSIONS[attributes & COMPRESSION_MASK] ?? 'none');
  const transactional = (attributes & TRANSACTIONAL) !== 0;
  let decompressed: Buffer;
  try {
    decompressed = count > 0 ? await decompress(compressed) : Buffer.alloc(0);
  } catch (error) {
    if (!(error instanceof DriverError && error.code === 'BATCH_TOO_LARGE')) throw error;
    const passedOver = new DriverError(
      error.code,
      `The records from offset ${baseOffset} to ${lastOffset} of partition ${partition} of ${topic} are passed over: ${error.message}.`,
      { retryable: false, cause: error },
    );
    return { batch: { lastOffset, producerId, transactional, records: [], passedOver }, size: 0 };
  }
  const content = byteReader(decompressed);

  const records: StoredRecord[] = [];
  for (let index = 0; index < count; index += 1) {
    const length = content.varint();
    const behind = content.position + length;
    content.int8();
    const timestampDelta = content.varint();
    const offsetDelta = content.varint();
    const keyAt = content.position;
    const keyBytes = content.skipVarintBytes();
    const valueAt = content.position;
    const valueBytes = content.skipVarintBytes();
    const headersAt = content.position;
    // Gone through now, so that what cannot be read is known with its batch.
    for (let left = 2 * content.varint(); left > 0; left -= 1) content.skipVarintBytes();
    records.push({
      __proto__: beneath,
      topic,
      partition,
      offset: baseOffset + offsetDelta,
      timestamp: attributes & LOG_APPEND_TIME ? maxTimestamp : baseTimestamp + timestampDelta,
      size: keyBytes + valueBytes,
      content: decompressed,
      keyAt,
      valueAt,
      headersAt,
    } as unknown as StoredRecord);
    content.position = behind;
  }
  const batch = { lastOffset, producerId, transactional };
  const size = decompressed.length;
  if (!(attributes & CONTROL)) return { batch: { ...batch, records }, size };
  return { batch: { ...batch, control: controlType(records[0]?.key), records: [] }, size };
}

/** A control record's key is its version and its type, two bytes each; type 0 is an aborted transaction's end. */
function controlType(key: Buffer | null | undefined): 'aborted' | 'other' {
  return key && key.length >= 4 && key.readInt16BE(2) === 0 ? 'aborted' : 'other';
}

function unreadable(cause: unknown, { topic, partition }: Partition, offset: number): DriverError {
  if (cause instanceof DriverError) return cause;
  const why = cause instanceof Error ? cause.message : String(cause);
  const which = `The batch at offset ${offset} of partition ${partition} of ${topic}`;
  return brokerError(CORRUPT_MESSAGE, `${which} cannot be read: ${why}`, cause);
}
