import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { ConfigurationError } from '@nest-messaging/core/contract';
import type { Compression } from '../options.js';
import { DriverError } from './driver-error.js';

/** Compresses the records of a batch, and back, in the form that Kafka's Java client reads and writes. */
export interface Codec {
  readonly compress: (records: Buffer) => Promise<Buffer>;
  /** @throws DriverError `BATCH_TOO_LARGE` before it takes more memory than {@link MOST_DECOMPRESSED} */
  readonly decompress: (records: Buffer) => Promise<Buffer>;
}

/**
 * Bytes that a batch holds at most once it is decompressed: far beyond what producers gather (32 MiB is all that a Java
 * client buffers), and far below what a megabyte of nothing but zeros becomes.
 */
export const MOST_DECOMPRESSED = 128 * 1024 * 1024;
const LIMIT = { maxOutputLength: MOST_DECOMPRESSED };

const tooLarge = (cause?: unknown): DriverError =>
  new DriverError(
    'BATCH_TOO_LARGE',
    `it holds more than ${MOST_DECOMPRESSED} bytes once it is decompressed`,
    { retryable: false, cause },
  );

/** What `node:zlib` says where the limit is met. */
function within(decompress: (records: Buffer, limit: typeof LIMIT) => Promise<Buffer>): Codec['decompress'] {
  return (records) =>
    decompress(records, LIMIT).catch((error: unknown) => {
      throw (error as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE' ? tooLarge(error) : error;
    });
}

/** By the number that a batch carries in its attributes. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

const CODECS: Readonly<Record<Compression, () => Promise<Codec>>> = {
  none: () => Promise.resolve({ compress: same, decompress: same }),
  gzip: () =>
    Promise.resolve({
      compress: promisify<zlib.InputType, Buffer>(zlib.gzip),
      decompress: within(promisify<zlib.InputType, zlib.ZlibOptions, Buffer>(zlib.gunzip)),
    }),
  snappy,
  lz4,
  zstd,
};

const loaded = new Map<Compression, Promise<Codec>>();

/**
 * The codec, loaded when it is asked for first: most applications never meet a compressed batch.
 * @throws DriverError `UNSUPPORTED_COMPRESSION_TYPE` where the codec's package has no binary for this platform
 */
export function codec(compression: Compression): Promise<Codec> {
  const known = loaded.get(compression);
  if (known) return known;
  const loading = CODECS[compression]().catch((cause: unknown) => {
    throw unsupported(
      `Batches compressed with ${compression} cannot be handled: the package that does it could not be loaded.`,
      cause,
    );
  });
  loaded.set(compression, loading);
  return loading;
}

/** @throws ConfigurationError if own batches cannot be compressed so here */
export async function checkCompression(compression: Compression): Promise<void> {
  try {
    await codec(compression);
  } catch (cause) {
    throw new ConfigurationError(
      `kafka.compression is '${compression}', and the package for it has no binary for this platform: use another one`,
      { cause },
    );
  }
  if (compression === 'zstd' && !native.zstdCompress) {
    throw new ConfigurationError(
      `kafka.compression is 'zstd', and Node ${process.versions.node} cannot compress so: run Node ≥ 22.15, or use another one`,
    );
  }
}

function same(records: Buffer): Promise<Buffer> {
  return Promise.resolve(records);
}

/** What the Java client's library puts in front: a magic number, its version, and the lowest version that reads it. */
const XERIAL = Buffer.from([0x82, 0x53, 0x4e, 0x41, 0x50, 0x50, 0x59, 0, 0, 0, 0, 1, 0, 0, 0, 1]);
const XERIAL_MAGIC = XERIAL.subarray(0, 8);
/** What each block holds at most, uncompressed; the Java client's default. */
const XERIAL_BLOCK = 32 * 1024;

async function snappy(): Promise<Codec> {
  const { compress, uncompress } = await import('snappy');
  return {
    compress: async (records) => {
      const parts: Buffer[] = [XERIAL];
      for (let at = 0; at < records.length; at += XERIAL_BLOCK) {
        const block = await compress(records.subarray(at, at + XERIAL_BLOCK));
        parts.push(int32(block.length), block);
      }
      return Buffer.concat(parts);
    },
    decompress: async (compressed) => {
      if (!compressed.subarray(0, XERIAL_MAGIC.length).equals(XERIAL_MAGIC)) return plain(compressed);
      const parts: Buffer[] = [];
      let left = MOST_DECOMPRESSED;
      for (let at = XERIAL.length; at < compressed.length;) {
        const length = compressed.readInt32BE(at);
        const part = await plain(compressed.subarray(at + 4, at + 4 + length), left);
        parts.push(part);
        left -= part.length;
        at += 4 + length;
      }
      return Buffer.concat(parts);
    },
  };

  // Clients in C write one plain block, without the frame of the Java library.
  async function plain(block: Buffer, left = MOST_DECOMPRESSED): Promise<Buffer> {
    // A block begins with its length; as much memory is taken for it.
    if (leadingVarint(block) > left) throw tooLarge();
    return Buffer.from(await uncompress(block, { asBuffer: true }));
  }
}

async function lz4(): Promise<Codec> {
  const { compressFrame, decompressFrame } = await import('lz4-napi');
  return {
    compress: compressFrame,
    decompress: async (compressed) => {
      if (compressed.length * LZ4_RATIO > MOST_DECOMPRESSED && lz4Length(compressed) > MOST_DECOMPRESSED)
        throw tooLarge();
      return decompressFrame(compressed);
    },
  };
}

/** Node has zstd from 22.15 on. */
const native = zlib as unknown as {
  readonly zstdCompress?: (input: Buffer, done: (error: Error | null, output: Buffer) => void) => void;
  readonly zstdDecompress?: (
    input: Buffer,
    limit: typeof LIMIT,
    done: (error: Error | null, output: Buffer) => void,
  ) => void;
};

async function zstd(): Promise<Codec> {
  if (native.zstdCompress && native.zstdDecompress) {
    return { compress: promisify(native.zstdCompress), decompress: within(promisify(native.zstdDecompress)) };
  }
  const { Decompress } = await import('fzstd');
  return {
    compress: () => Promise.reject(unsupported('This Node cannot compress with zstd.')),
    decompress: async (compressed) => {
      if (zstdWindow(compressed) > MOST_DECOMPRESSED) throw tooLarge();
      const parts: Uint8Array[] = [];
      let size = 0;
      new Decompress((part) => {
        size += part.length;
        if (size > MOST_DECOMPRESSED) throw tooLarge();
        parts.push(part);
      }).push(compressed, true);
      return Buffer.concat(parts, size);
    },
  };
}

/**
 * How much memory a frame of zstd asks for: its window, or all that it becomes.
 * @see https://www.rfc-editor.org/rfc/rfc8878#section-3.1.1.1
 */
function zstdWindow(frame: Buffer): number {
  const [flags = 0, window = 0] = frame.subarray(4, 6);
  const single = (flags & 0x20) !== 0;
  if (!single) return 2 ** (10 + (window >> 3)) * (1 + (window & 7) / 8);
  const at = 5 + [0, 1, 2, 4][flags & 3]!;
  const size = frame.subarray(at, at + 2 ** (flags >> 6));
  return [...size].reduceRight((value, byte) => value * 256 + byte, 0);
}

/** Of snappy: seven bits a byte, the lowest first. */
function leadingVarint(bytes: Buffer): number {
  let value = 0;
  for (let at = 0; at < Math.min(bytes.length, 5); at += 1) {
    value += (bytes[at]! & 0x7f) * 2 ** (7 * at);
    if (bytes[at]! < 0x80) break;
  }
  return value;
}

/** A byte of lz4 stands for no more than so many. */
const LZ4_RATIO = 255;

/**
 * How much a frame of lz4 becomes: it need not say, so its blocks are gone through, without making anything of them.
 * @see https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md beside it
 */
function lz4Length(frame: Buffer): number {
  const flags = frame[4] ?? 0;
  // Magic number, flags, block size, their checksum; in between the content's size and a dictionary's id, if told.
  let at = 7 + (flags & 0x08 ? 8 : 0) + (flags & 0x01 ? 4 : 0);
  const checksum = flags & 0x10 ? 4 : 0;
  let length = 0;
  while (at + 4 <= frame.length) {
    const header = frame.readUInt32LE(at);
    if (header === 0) break;
    const size = header & 0x7fff_ffff;
    const block = frame.subarray(at + 4, at + 4 + size);
    length += header > 0x7fff_ffff ? block.length : lz4BlockLength(block);
    at += 4 + size + checksum;
  }
  return length;
}

function lz4BlockLength(block: Buffer): number {
  let at = 0;
  let length = 0;
  /** A length of 15 goes on in the bytes behind it, as long as they are 255. */
  const whole = (short: number): number => {
    let value = short;
    if (short < 15) return value;
    for (let more = 255; more === 255 && at < block.length; value += more) more = block[at++]!;
    return value;
  };
  while (at < block.length) {
    const token = block[at++]!;
    const literals = whole(token >> 4);
    length += literals;
    at += literals;
    // The last sequence has literals alone.
    if (at >= block.length) break;
    at += 2;
    length += whole(token & 15) + 4;
  }
  return length;
}

function unsupported(message: string, cause?: unknown): DriverError {
  return new DriverError('UNSUPPORTED_COMPRESSION_TYPE', message, { retryable: false, cause });
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}
