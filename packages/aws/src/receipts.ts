import {
  ChangeMessageVisibilityBatchCommand,
  DeleteMessageBatchCommand,
  type SQSClient,
} from '@aws-sdk/client-sqs';
import type { Clock } from '@nest-messaging/core/contract';
import { createBatches, type Remedy } from './batches.js';
import type { Connection } from './connection.js';
import { isRetryable } from './errors.js';
import { isFifo } from './names.js';
import type { Queue } from './queues.js';
import { outcomes } from './sending.js';

/** A message in hand, by its newest receipt: a standard queue takes an older one for a deletion, and does not delete. */
export interface Receipt {
  handle: string;
}

/** What can be done about messages in hand, in requests of up to ten. */
export interface Receipts {
  /** Again and again, until `signal` aborts. Rejects if the receipt is no good any more. */
  remove(receipt: Receipt, signal: AbortSignal): Promise<void>;
  /** Makes it visible to others after so many seconds; again and again, until `signal` aborts. */
  show(receipt: Receipt, seconds: number, signal: AbortSignal): Promise<void>;
  /** Keeps it from others for so many seconds from now. Once. */
  prolong(receipt: Receipt, seconds: number): Promise<void>;
  /** What is gathered goes at once. */
  flush(): void;
}

export interface ReceiptsParts {
  readonly sqs: SQSClient;
  readonly queue: Queue;
  readonly connection: Connection;
  /** Milliseconds. */
  readonly linger: number;
  readonly clock: Clock;
}

/**
 * Milliseconds that a deletion waits for others, so that ten share a request at a hundred messages a second. Nobody
 * waits for it: the slot is free already. On FIFO the next one of its group does.
 */
const DELETE_LINGER = 100;

interface Deletion {
  readonly receipt: Receipt;
  used?: string;
}

interface Change {
  readonly receipt: Receipt;
  readonly seconds: number;
}

export function createReceipts({ sqs, queue, connection, linger, clock }: ReceiptsParts): Receipts {
  const QueueUrl = queue.url;

  const remedy = (error: unknown): Remedy => {
    if (!isRetryable(error)) return 'end';
    connection.failed(error);
    return 'again';
  };

  const deletions = createBatches<Deletion>({
    linger: linger === 0 || isFifo(queue.name) ? linger : Math.max(linger, DELETE_LINGER),
    clock,
    remedy,
    send: async (items) => {
      const Entries = items.map((item, at) => ({
        Id: `${at}`,
        ReceiptHandle: (item.used = item.receipt.handle),
      }));
      return outcomes(items.length, await sqs.send(new DeleteMessageBatchCommand({ QueueUrl, Entries })));
    },
  });

  const change = async (items: readonly Change[]): Promise<unknown[]> => {
    const Entries = items.map(({ receipt, seconds }, at) => ({
      Id: `${at}`,
      ReceiptHandle: receipt.handle,
      VisibilityTimeout: seconds,
    }));
    return outcomes(
      items.length,
      await sqs.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl, Entries })),
    );
  };
  const shown = createBatches<Change>({ linger, clock, remedy, send: change });
  const prolonged = createBatches<Change>({ linger, clock, send: change });

  return {
    async remove(receipt, signal) {
      let deletion: Deletion;
      // It may have been received once more while an older receipt was on its way.
      do {
        deletion = { receipt };
        await deletions.add(deletion, signal);
      } while (deletion.used !== receipt.handle);
    },
    show: (receipt, seconds, signal) => shown.add({ receipt, seconds }, signal),
    prolong: (receipt, seconds) => prolonged.add({ receipt, seconds }),
    flush() {
      for (const batches of [deletions, shown, prolonged]) void batches.flush();
    },
  };
}
