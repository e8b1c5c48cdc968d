import { promisify } from 'node:util';
import zlib from 'node:zlib';
import { ConfigurationError } from '@nest-messaging/core/contract';
import type { Compression } from '../options.js';
import { DriverError } from './driver-error.js';

/** Compresses the records of a batch, and back, in the form that Kafka's Java client reads and writes. */
export interface Codec {
  readonly compress: (records: Buffer) => Promise<Buffer>;
  readonly decompress: (records: Buffer) => Promise<Buffer>;
}

/** By the number that a batch carries in its attributes. */
export const COMPRESSIONS: readonly Compression[] = ['none', 'gzip', 'snappy', 'lz4', 'zstd'];

const CODECS: Readonly<Record<Compression, () => Promise<Codec>>> = {
  none: () => Promise.resolve({ compress: same, decompress: same }),
  gzip: () =>
    Promise.resolve({
      compress: promisify<zlib.InputType, Buffer>(zlib.gzip),
      decompress: promisify<zlib.InputType, Buffer>(zlib.gunzip),
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
      for (let at = XERIAL.length; at < compressed.length;) {
        const length = compressed.readInt32BE(at);
        parts.push(await plain(compressed.subarray(at + 4, at + 4 + length)));
        at += 4 + length;
      }
      return Buffer.concat(parts);
    },
  };

  // Clients in C write one plain block, without the frame of the Java library.
  async function plain(block: Buffer): Promise<Buffer> {
    return Buffer.from(await uncompress(block, { asBuffer: true }));
  }
}

async function lz4(): Promise<Codec> {
  const { compressFrame, decompressFrame } = await import('lz4-napi');
  return { compress: compressFrame, decompress: decompressFrame };
}

/** Node has zstd from 22.15 on. */
const native = zlib as unknown as {
  readonly zstdCompress?: (input: Buffer, done: (error: Error | null, output: Buffer) => void) => void;
  readonly zstdDecompress?: (input: Buffer, done: (error: Error | null, output: Buffer) => void) => void;
};

async function zstd(): Promise<Codec> {
  if (native.zstdCompress && native.zstdDecompress) {
    return { compress: promisify(native.zstdCompress), decompress: promisify(native.zstdDecompress) };
  }
  const { decompress } = await import('fzstd');
  return {
    compress: () => Promise.reject(unsupported('This Node cannot compress with zstd.')),
    decompress: async (compressed) => {
      const { buffer, byteOffset, byteLength } = decompress(compressed);
      return Buffer.from(buffer, byteOffset, byteLength);
    },
  };
}

function unsupported(message: string, cause?: unknown): DriverError {
  return new DriverError('UNSUPPORTED_COMPRESSION_TYPE', message, { retryable: false, cause });
}

function int32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeInt32BE(value);
  return bytes;
}
