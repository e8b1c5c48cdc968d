import type { TextReader } from './last-texts.js';

/** Writes Kafka's wire types, one after the other, into bytes that grow. */
export interface ByteWriter {
  int8(value: number): void;
  int16(value: number): void;
  int32(value: number): void;
  int64(value: number | bigint): void;
  /** A signed number in as few bytes as it needs. */
  varint(value: number): void;
  string(value: string | null): void;
  raw(value: Buffer): void;
  /** With its length in front as {@link ByteWriter.varint}, -1 for `null`. */
  varintBytes(value: Buffer | null): void;
  /** With the length of its bytes in front as {@link ByteWriter.varint}. */
  varintString(value: string): void;
  /**
   * What `write` writes, with its length in front as {@link ByteWriter.varint}.
   * @param most it has at most so many bytes
   */
  measured(most: number, write: () => void): void;
  /** What was written; shares its memory with the writer. */
  bytes(): Buffer;
}

/** Bytes of a number of 64 bits: so many a writer wants to be free for each. */
export const LONGEST_VARINT = 10;
/**
 * Text up to this length has a length of one byte in front, where it is ASCII: nearly every name and value of a header,
 * which a loop writes in a third of the time that Node's two calls take, to count its bytes and to write them.
 */
const SHORT = 63;

/** @param expected about how many bytes will be written */
export function byteWriter(expected = 256): ByteWriter {
  let buffer = Buffer.allocUnsafe(expected);
  let length = 0;

  function room(more: number): void {
    if (length + more <= buffer.length) return;
    const larger = Buffer.allocUnsafe(Math.max(buffer.length * 2, length + more));
    buffer.copy(larger, 0, 0, length);
    buffer = larger;
  }

  /** Answers whether it was: what it has written of other text does not count. */
  function ascii(value: string): boolean {
    for (let at = 0; at < value.length; at += 1) {
      const code = value.charCodeAt(at);
      if (code > 0x7f) return false;
      buffer[length + 1 + at] = code;
    }
    return true;
  }

  const writer: ByteWriter = {
    int8(value) {
      room(1);
      length = buffer.writeInt8(value, length);
    },
    int16(value) {
      room(2);
      length = buffer.writeInt16BE(value, length);
    },
    int32(value) {
      room(4);
      length = buffer.writeInt32BE(value, length);
    },
    int64(value) {
      room(8);
      length = buffer.writeBigInt64BE(BigInt(value), length);
    },
    varint(value) {
      room(LONGEST_VARINT);
      // Zigzag: the sign goes to the lowest bit. Beyond 31 bits JavaScript's bit operators do not reach.
      let rest = value < 0 ? -2 * value - 1 : 2 * value;
      while (rest > 0x7f) {
        buffer[length] = (rest % 0x80) | 0x80;
        length += 1;
        rest = Math.floor(rest / 0x80);
      }
      buffer[length] = rest;
      length += 1;
    },
    string(value) {
      if (value === null) return writer.int16(-1);
      const bytes = Buffer.from(value);
      writer.int16(bytes.length);
      writer.raw(bytes);
    },
    raw(value) {
      room(value.length);
      length += value.copy(buffer, length);
    },
    varintBytes(value) {
      if (value === null) return writer.varint(-1);
      writer.varint(value.length);
      writer.raw(value);
    },
    varintString(value) {
      room(1 + SHORT);
      if (value.length <= SHORT && ascii(value)) {
        writer.varint(value.length);
        length += value.length;
        return;
      }
      const bytes = Buffer.byteLength(value);
      writer.varint(bytes);
      room(bytes);
      length += buffer.write(value, length, bytes);
    },
    measured(most, write) {
      const begin = length;
      const reserved = varintBytes(most);
      room(LONGEST_VARINT + most);
      length += reserved;
      write();
      const end = length;
      const bytes = end - begin - reserved;
      length = begin;
      writer.varint(bytes);
      if (length < begin + reserved) buffer.copyWithin(length, begin + reserved, end);
      length += bytes;
    },
    bytes: () => buffer.subarray(0, length),
  };
  return writer;
}

/** How many bytes a number takes as {@link ByteWriter.varint}. */
export function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value < 0 ? -2 * value - 1 : 2 * value; rest > 0x7f; rest = Math.floor(rest / 0x80))
    bytes += 1;
  return bytes;
}

/** Reads Kafka's wire types, one after the other; throws a `RangeError` at the end of the bytes. */
export interface ByteReader {
  position: number;
  readonly length: number;
  /** Reads other bytes from now on, from there. */
  begin(bytes: Buffer, position: number): void;
  int8(): number;
  int16(): number;
  int32(): number;
  /** Exact up to 2⁵³. */
  int64(): number;
  bigint(): bigint;
  varint(): number;
  string(): string | null;
  raw(length: number): Buffer;
  varintBytes(): Buffer | null;
  /** As {@link ByteReader.varintBytes}, with what reads text of them; `at` is handed on to it. */
  varintText(read: TextReader, at: number): string | null;
  /** Passes over what {@link ByteReader.varintBytes} would read; answers how many bytes that is without its length. */
  skipVarintBytes(): number;
}

export function byteReader(bytes: Buffer): ByteReader {
  let buffer = bytes;

  /** Answers where so many bytes begin. */
  const pass = (length: number): number => {
    if (reader.position + length > buffer.length) throw new RangeError('The bytes end too early.');
    reader.position += length;
    return reader.position - length;
  };

  const reader: ByteReader = {
    position: 0,
    get length() {
      return buffer.length;
    },
    begin(others, position) {
      buffer = others;
      reader.position = position;
    },
    int8() {
      reader.position += 1;
      return buffer.readInt8(reader.position - 1);
    },
    int16() {
      reader.position += 2;
      return buffer.readInt16BE(reader.position - 2);
    },
    int32() {
      reader.position += 4;
      return buffer.readInt32BE(reader.position - 4);
    },
    int64() {
      const high = reader.int32();
      reader.position += 4;
      return high * 0x100000000 + buffer.readUInt32BE(reader.position - 4);
    },
    bigint() {
      reader.position += 8;
      return buffer.readBigInt64BE(reader.position - 8);
    },
    varint() {
      let byte = buffer[pass(1)]!;
      // Nearly all are: a record has some fifteen of them.
      if (byte < 0x80) return (byte >>> 1) ^ -(byte & 1);
      let value = byte & 0x7f;
      for (let scale = 0x80; ; scale *= 0x80) {
        byte = buffer[pass(1)]!;
        value += (byte & 0x7f) * scale;
        if (byte < 0x80) return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
      }
    },
    string() {
      const length = reader.int16();
      return length < 0 ? null : reader.raw(length).toString();
    },
    raw(length) {
      const begin = pass(length);
      return buffer.subarray(begin, reader.position);
    },
    varintBytes() {
      const length = reader.varint();
      return length < 0 ? null : reader.raw(length);
    },
    varintText(read, at) {
      const length = reader.varint();
      if (length < 0) return null;
      const begin = pass(length);
      return read(at, buffer, begin, reader.position);
    },
    skipVarintBytes() {
      const length = Math.max(0, reader.varint());
      pass(length);
      return length;
    },
  };
  return reader;
}
