import { randomUUID } from 'node:crypto';
import type { GetObjectCommandOutput, S3Client, S3ClientConfig } from '@aws-sdk/client-s3';
import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import {
  ConfigurationError,
  ConnectionError,
  createBackoff,
  MessageTooLargeError,
  PublishRejectedError,
  TopologyError,
  UndecodableError,
  type Clock,
  type Topology,
} from '@nest-messaging/core/contract';
import { isCredentials, isRetryable, nameOf, said, shown } from './errors.js';
import type { ResolvedLargePayloads } from './options.js';
import { pointerOf, POINTER_ATTRIBUTES, pointing } from './pointer.js';
import { ENCODING, sizeOf, unwrapped, type Parcel } from './wire.js';

/** Bodies that are too large for a message: they are in S3, and the message says where. */
export interface Payloads {
  /**
   * Makes ready, and looks for the bucket, where it may.
   * @throws {ConfigurationError} if `@aws-sdk/client-s3` is missing
   * @throws {TopologyError} if there is no such bucket, or it is elsewhere
   * @throws {ConnectionError} if S3 cannot be reached
   */
  open(signal: AbortSignal): Promise<void>;
  /**
   * The parcel, with its body in S3 if it is too large. Waits while S3 is away.
   * @throws the signal's reason, once it aborts
   * @throws {PublishRejectedError} if S3 refuses it
   */
  store(parcel: Parcel, contentType: string, signal: AbortSignal): Promise<Parcel>;
  /**
   * The message with its body, wherever that was.
   * @throws {UndecodableError | MessageTooLargeError} if it will never be read; see {@link isUnreadable}
   * @throws whatever S3 says, if it may be read later
   */
  load(raw: SqsMessage, signal: AbortSignal): Promise<SqsMessage>;
  close(): void;
}

export interface PayloadsParts {
  /** Undefined where nothing goes to S3. */
  readonly options: ResolvedLargePayloads | undefined;
  /** Largest body that is read back, in bytes. */
  readonly maxBodySize: number;
  readonly topology: Topology;
  readonly clock: Clock;
  /** The optional package, loaded by those alone who want it. */
  readonly load?: () => Promise<typeof import('@aws-sdk/client-s3')>;
}

/** Milliseconds without a byte. The SDK sets no limit by itself; one for the whole would be one of the body's size. */
const UNLESS_IT_HANGS = { connectionTimeout: 5_000, socketTimeout: 10_000 };

/** Another attempt would find the same. */
export const isUnreadable = (error: unknown): boolean =>
  error instanceof UndecodableError || error instanceof MessageTooLargeError;

export function createPayloads(parts: PayloadsParts): Payloads {
  const { options, maxBodySize, topology, clock } = parts;
  const loadPackage = parts.load ?? (() => import('@aws-sdk/client-s3'));
  let opened: { readonly s3: S3Client; readonly commands: typeof import('@aws-sdk/client-s3') } | undefined;

  const checkBucket = async (bucket: string, signal: AbortSignal): Promise<void> => {
    const { s3, commands } = opened!;
    try {
      await s3.send(new commands.HeadBucketCommand({ Bucket: bucket }), { abortSignal: signal });
    } catch (error) {
      const status = statusOf(error);
      if (status === 404)
        throw new TopologyError(
          `bucket '${bucket}' does not exist: create it, with a lifecycle rule; the module makes none (aws.largePayloads.bucket)`,
          { cause: error },
        );
      if (status === 301)
        throw new TopologyError(
          `bucket '${bucket}' is in another region: give aws.largePayloads.client.region`,
          { cause: error },
        );
      // Whoever may not list it is told no, be it there or not.
      if (status === 403 && !isCredentials(error)) return;
      throw new ConnectionError(`S3 cannot be reached, for bucket '${bucket}': ${said(error)}`, {
        cause: shown(error),
      });
    }
  };

  const put = async (
    { bucket, prefix }: ResolvedLargePayloads,
    { body, attributes }: Parcel,
    contentType: string,
    signal: AbortSignal,
  ): Promise<string> => {
    const { s3, commands } = opened!;
    // Not to be guessed: whoever may read the bucket by way of a queue could otherwise ask for others' bodies.
    const key = `${prefix}${randomUUID()}`;
    const backoff = createBackoff(clock);
    for (;;) {
      signal.throwIfAborted();
      try {
        await s3.send(
          new commands.PutObjectCommand({
            Bucket: bucket,
            Key: key,
            Body: body,
            ContentType: contentType,
            ContentEncoding: attributes[ENCODING]?.StringValue,
          }),
          { abortSignal: signal },
        );
        return key;
      } catch (error) {
        signal.throwIfAborted();
        if (!isRetryable(error)) throw refused(bucket, error);
        await backoff.wait(signal);
      }
    }
  };

  const get = async (bucket: string, key: string, limit: number, signal: AbortSignal): Promise<string> => {
    const { s3, commands } = opened!;
    let answer: GetObjectCommandOutput;
    try {
      answer = await s3.send(new commands.GetObjectCommand({ Bucket: bucket, Key: key }), {
        abortSignal: signal,
      });
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey')
        throw new UndecodableError(
          `its body, '${key}' in bucket '${bucket}', is not there any more: a lifecycle rule must keep bodies for as long as messages`,
          { cause: error },
        );
      if (statusOf(error) === 403 && !isCredentials(error))
        throw new TopologyError(
          `S3 does not let its body, '${key}' in bucket '${bucket}', be read: grant s3:GetObject, and s3:ListBucket, without which S3 says the same of an object that does not exist`,
          { cause: error },
        );
      throw error;
    }
    const chunks: Uint8Array[] = [];
    let size = 0;
    // Counted as it comes: what a message says of its size is not to be trusted.
    for await (const chunk of answer.Body as AsyncIterable<Uint8Array>) {
      size += chunk.byteLength;
      if (size > limit)
        throw new MessageTooLargeError(
          `its body, '${key}' in bucket '${bucket}', has ${answer.ContentLength ?? `more than ${limit}`} bytes: at most ${limit} are read (aws.maxBodySize)`,
        );
      chunks.push(chunk);
    }
    return Buffer.concat(chunks, size).toString();
  };

  return {
    async open(signal) {
      if (!options) return;
      let commands: typeof import('@aws-sdk/client-s3');
      try {
        commands = await loadPackage();
      } catch (cause) {
        throw new ConfigurationError(
          'aws.largePayloads needs @aws-sdk/client-s3, which cannot be loaded: npm install @aws-sdk/client-s3',
          { cause },
        );
      }
      const config = { requestHandler: UNLESS_IT_HANGS, ...options.client } as S3ClientConfig;
      opened ??= { s3: new commands.S3Client(config), commands };
      if (topology !== 'none') await checkBucket(options.bucket, signal);
    },

    async store(parcel, contentType, signal) {
      if (!options || sizeOf(parcel) <= options.above) return parcel;
      const key = await put(options, parcel, contentType, signal);
      return pointing(parcel, { bucket: options.bucket, key }, Buffer.byteLength(parcel.body));
    },

    async load(raw, signal) {
      const parcel = unwrapped(raw);
      const pointer = pointerOf(parcel);
      if (!pointer) return raw;
      if (!options)
        throw new UndecodableError(
          `its body is in S3, in bucket '${pointer.bucket}', and nothing is read from there: give aws.largePayloads.bucket, and redrive it`,
        );
      // Whoever may send to the queue would otherwise choose what is read with this process's rights.
      if (pointer.bucket !== options.bucket)
        throw new UndecodableError(
          `its body is in bucket '${pointer.bucket}', and only '${options.bucket}' is read (aws.largePayloads.bucket)`,
        );
      const encoded = parcel.attributes[ENCODING]?.StringValue === 'base64';
      const limit = encoded ? Math.ceil(maxBodySize / 3) * 4 : maxBodySize;
      const Body = await get(pointer.bucket, pointer.key, limit, signal);
      const MessageAttributes = Object.fromEntries(
        Object.entries(parcel.attributes).filter(([name]) => !POINTER_ATTRIBUTES.includes(name)),
      );
      return { ...raw, Body, MessageAttributes };
    },

    close() {
      opened?.s3.destroy();
    },
  };
}

const statusOf = (error: unknown): number | undefined =>
  (error as { $metadata?: { httpStatusCode?: number } } | undefined)?.$metadata?.httpStatusCode;

function refused(bucket: string, cause: unknown): PublishRejectedError {
  return new PublishRejectedError(
    statusOf(cause) === 403
      ? `the credentials do not allow s3:PutObject in bucket '${bucket}', where bodies too large for a message go: grant it`
      : `S3 refused a body too large for a message in bucket '${bucket}': ${said(cause)}`,
    { cause },
  );
}
