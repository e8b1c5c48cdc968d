import { PublishBatchCommand, type SNSClient } from '@aws-sdk/client-sns';
import { SendMessageBatchCommand, type SQSClient } from '@aws-sdk/client-sqs';
import { ClosedError, MessageTooLargeError, type Clock } from '@nest-messaging/core/contract';
import { createBatches, type Batches, type Remedy } from './batches.js';
import type { Connection } from './connection.js';
import { isDenied, isMissing, isRetryable, publishError } from './errors.js';
import { isFifo, lastName } from './names.js';
import { fifoId, sizeOf, type Parcel } from './wire.js';

/** What a FIFO topic or queue must know. */
export interface Place {
  /** Those of one key keep their order. */
  readonly key: string;
  /** What comes twice under one of these within 5 minutes is dropped, even if the first one is done. */
  readonly deduplication: string;
}

interface Item {
  readonly parcel: Parcel;
  readonly size: number;
  readonly place: Place | undefined;
  /** Seconds. */
  readonly delay: number;
}

/** Sends parcels, those of one topic or queue gathered into shared requests. */
export interface Sending {
  /**
   * Resolves when SNS has taken it. Waits while the services are away.
   * @throws the signal's reason, once it aborts
   * @throws {PublishRejectedError | MessageTooLargeError} if it is refused
   * @throws {ClosedError} once it is closed
   */
  toTopic(arn: string, parcel: Parcel, place: Place, signal: AbortSignal): Promise<void>;
  /** As `toTopic`, to a queue by its URL; `delay` in whole seconds, 900 at most, 0 for FIFO. */
  toQueue(url: string, parcel: Parcel, place: Place, delay: number, signal: AbortSignal): Promise<void>;
  /** Waits a moment for what is under way. */
  close(): Promise<void>;
}

/**
 * Of a message and of all in a batch, in bytes, attributes included. A topic may be set to take up to 1 MiB by its
 * `MaximumMessageSize`, and then has 100 subscriptions at most: what the module makes is left as it comes.
 * https://docs.aws.amazon.com/sns/latest/dg/large-message-payloads.html
 */
const SNS_BYTES = 256 * 1024;
/** The same of a queue. https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessageBatch.html */
const SQS_BYTES = 1024 * 1024;

/**
 * What goes to a topic later must fit now, while its publisher can still be told.
 * @throws {MessageTooLargeError} if it does not
 */
export const checkFitsTopic = (arn: string, parcel: Parcel): void =>
  checkSize(arn, sizeOf(parcel), SNS_BYTES);

function checkSize(target: string, size: number, limit: number): void {
  if (size > limit)
    throw new MessageTooLargeError(
      `the message with its attributes has ${size} bytes: '${lastName(target)}' takes ${limit} at most; publish a reference to it`,
    );
}

/** Milliseconds. */
const CLOSE_WITHIN = 2_000;

/** An entry's own failure, as the SDK would throw it for a whole request. */
class EntryError extends Error {
  override readonly name: string;
  readonly $metadata: { readonly httpStatusCode: number };

  constructor({ Code, Message, SenderFault }: { Code?: string; Message?: string; SenderFault?: boolean }) {
    super(Message ?? Code ?? 'the entry failed');
    this.name = Code ?? 'EntryError';
    this.$metadata = { httpStatusCode: SenderFault ? 400 : 500 };
  }
}

interface Answer {
  readonly Successful?: { readonly Id?: string }[];
  readonly Failed?: { readonly Id?: string; Code?: string; Message?: string; SenderFault?: boolean }[];
}

/** What became of each entry, by the ids that are its places. An entry that the answer leaves out has failed. */
export function outcomes(count: number, { Successful = [], Failed = [] }: Answer): unknown[] {
  const done = new Set(Successful.map(({ Id }) => Id));
  return Array.from({ length: count }, (_, at) => {
    const failed = Failed.find(({ Id }) => Id === `${at}`);
    if (failed) return new EntryError(failed);
    return done.has(`${at}`)
      ? undefined
      : new EntryError({ Code: 'InternalError', Message: 'the answer left it out' });
  });
}

export function createSending(parts: {
  readonly sns: SNSClient;
  readonly sqs: SQSClient;
  readonly connection: Connection;
  readonly linger: number;
  readonly clock: Clock;
}): Sending {
  const { sns, sqs, connection, linger, clock } = parts;
  const gathered = new Map<string, Batches<Item>>();
  let closed: ClosedError | undefined;

  const fifo = (target: string, place: Place | undefined): object =>
    isFifo(target) && place
      ? { MessageGroupId: fifoId(place.key), MessageDeduplicationId: fifoId(place.deduplication) }
      : {};

  const publishBatch =
    (arn: string) =>
    async (items: readonly Item[]): Promise<unknown[]> => {
      const PublishBatchRequestEntries = items.map(({ parcel, place }, at) => ({
        Id: `${at}`,
        Message: parcel.body,
        MessageAttributes: parcel.attributes,
        ...fifo(arn, place),
      }));
      return outcomes(
        items.length,
        await sns.send(new PublishBatchCommand({ TopicArn: arn, PublishBatchRequestEntries })),
      );
    };

  const sendBatch =
    (url: string) =>
    async (items: readonly Item[]): Promise<unknown[]> => {
      const Entries = items.map(({ parcel, place, delay }, at) => ({
        Id: `${at}`,
        MessageBody: parcel.body,
        MessageAttributes: parcel.attributes,
        ...(delay > 0 && !isFifo(url) ? { DelaySeconds: delay } : {}),
        ...fifo(url, place),
      }));
      return outcomes(items.length, await sqs.send(new SendMessageBatchCommand({ QueueUrl: url, Entries })));
    };

  const remedy = (error: unknown): Remedy => {
    if (isRetryable(error)) {
      connection.failed(error);
      return 'again';
    }
    // What is wrong with one entry may be told of the whole request; what is wrong with its target is told of all.
    return isDenied(error) || isMissing(error) ? 'end' : 'alone';
  };

  const batchesOf = (target: string): Batches<Item> => {
    let batches = gathered.get(target);
    if (!batches) {
      const toSns = target.startsWith('arn:');
      batches = createBatches<Item>({
        send: toSns ? publishBatch(target) : sendBatch(target),
        remedy,
        size: ({ size }) => size,
        bytes: toSns ? SNS_BYTES : SQS_BYTES,
        // FIFO keeps the order in which requests arrive, and two on their way at a time may change places. Within one,
        // entries are taken in their order, and each for itself: one that fails may be overtaken by those beside it.
        // https://docs.aws.amazon.com/sns/latest/api/API_PublishBatch.html
        lane: isFifo(target) ? ({ place }) => place?.key : undefined,
        paused: () => !connection.up,
        linger,
        // Who awaits one publish after the other would wait in vain each time.
        atOnce: true,
        clock,
      });
      gathered.set(target, batches);
    }
    return batches;
  };

  const unlisten = connection.onUp(() => {
    for (const batches of gathered.values()) batches.resume();
  });

  const send = async (target: string, item: Item, limit: number, signal: AbortSignal): Promise<void> => {
    checkSize(target, item.size, limit);
    if (closed) throw new ClosedError('the transport is closed');
    const batches = batchesOf(target);
    try {
      await batches.add(item, signal);
    } catch (error) {
      if (closed) throw closed;
      signal.throwIfAborted();
      throw publishError(`'${lastName(target)}'`, error);
    } finally {
      if (batches.idle && gathered.get(target) === batches) gathered.delete(target);
    }
  };

  return {
    toTopic: (arn, parcel, place, signal) =>
      send(arn, { parcel, size: sizeOf(parcel), place, delay: 0 }, SNS_BYTES, signal),
    toQueue: (url, parcel, place, delay, signal) =>
      send(url, { parcel, size: sizeOf(parcel), place, delay }, SQS_BYTES, signal),
    async close() {
      const flushed = Promise.all([...gathered.values()].map((batches) => batches.flush()));
      let cancel = (): void => undefined;
      const late = new Promise<void>((resolve) => (cancel = clock.schedule(resolve, CLOSE_WITHIN)));
      if (connection.up) await Promise.race([flushed, late]);
      cancel();
      unlisten();
      closed = new ClosedError('the transport was closed before AWS had confirmed the message');
      for (const batches of gathered.values()) batches.abandon(closed);
    },
  };
}
