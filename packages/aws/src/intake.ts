import { AsyncLocalStorage } from 'node:async_hooks';
import { whenAborted } from '@nest-messaging/core/contract';
import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import type { Consumer, Work } from './consumer.js';
import { isWake } from './wake.js';

/** How long what was handed over may take. */
export interface Time {
  /** Aborts when nothing more may begin. */
  readonly leaving: AbortSignal;
  /** Aborts when what has not ended counts as failed: its settlement is not carried out any more. */
  readonly over: AbortSignal;
}

/** A queue that somebody else polls. */
export interface Source {
  /** Messages in hand at a time. */
  readonly maxInHand: number;
  /** Answers whether the message is done, and may be deleted. Never rejects. */
  take(raw: SqsMessage, time: Time): Promise<boolean>;
}

/** Where an application's deliveries come in when it does not poll. */
export interface Intake {
  /** By the queue's name: it needs no right to ask for an ARN. */
  readonly sources: Map<string, Source>;
  /** The queue of delayed events is handed over, too. */
  readonly delays: boolean;
}

/** The broker is a value of the application's module, made before: only the way it is opened can tell it. */
const current = new AsyncLocalStorage<Intake>();

/** What is opened while `run` runs takes its deliveries from the intake, and polls nothing. */
export const withIntake = <T>(intake: Intake, run: () => T): T => current.run(intake, run);

export const currentIntake = (): Intake | undefined => current.getStore();

export interface ReceiverParts {
  readonly work: (raw: SqsMessage, leaving: AbortSignal, lost: AbortSignal) => Work;
  readonly maxInHand: number;
}

/** Works on what is handed over from one queue, until it stops. */
export function createReceiver(
  { sources }: Intake,
  queue: string,
  { work, maxInHand }: ReceiverParts,
): Consumer {
  let most = maxInHand;
  const stopping = new AbortController();
  const inHand = new Set<Promise<boolean>>();

  const carry = async (raw: SqsMessage, { leaving, over }: Time): Promise<boolean> => {
    // Meant for the poll of a process that has stopped.
    if (isWake(raw)) return true;
    if (leaving.aborted || stopping.signal.aborted) return false;
    // Not `AbortSignal.any`, of which something stays with a signal that lives as long as the function does.
    const ends = new AbortController();
    const ignore = [leaving, stopping.signal].map((signal) =>
      whenAborted(signal, () => ends.abort(signal.reason)),
    );
    try {
      const step = work(raw, ends.signal, over);
      for (;;) {
        const carryOut = await step();
        // It is reported as failed, and comes again: a copy would come beside it.
        if (over.aborted) return false;
        const end = await carryOut();
        if (end !== 'again') return end === 'done';
      }
    } finally {
      for (const one of ignore) one();
    }
  };

  const source: Source = {
    get maxInHand() {
      return most;
    },
    take(raw, time) {
      const carrying = carry(raw, time);
      inHand.add(carrying);
      return carrying.finally(() => inHand.delete(carrying));
    },
  };
  sources.set(queue, source);

  const stop = async (): Promise<void> => {
    if (sources.get(queue) === source) sources.delete(queue);
    stopping.abort();
    await Promise.all(inHand);
  };

  return {
    problem: undefined,
    // For the batches that are handed over from now on.
    resize: (size) => void (most = size),
    stop,
    async abandon() {
      // What runs is not waited for: whoever handed it over is told that it failed.
      void stop();
    },
  };
}
