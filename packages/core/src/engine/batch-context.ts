import type { MessageContext } from './message-context.js';
import type { TimeSignal } from './time-limit.js';

/** How a handler of batches says what becomes of one message. */
export interface BatchDecisions {
  done(message: MessageContext): void;
  fail(message: MessageContext, error: unknown): void;
}

/**
 * What a handler of batches is told, beside the payloads.
 *
 * Every message is settled by itself, when the handler's promise has settled:
 *
 * | the message | is |
 * |---|---|
 * | was given to `fail` | treated as if a handler of it alone had thrown the error |
 * | was given to `done` | acknowledged, whatever becomes of the others |
 * | was given to neither, and the handler returns | acknowledged |
 * | was given to neither, and the handler throws or its time is up | treated as if a handler of it alone had thrown that |
 */
export class BatchContext {
  /** The messages, in the order of the payloads. */
  readonly messages: readonly MessageContext[];
  /** The topic, pattern or queue as the handler names it; `messages` tell the topic of each. */
  readonly topic: string;
  readonly group: string;
  readonly #time: TimeSignal;
  readonly #decisions: BatchDecisions;

  constructor(
    messages: readonly MessageContext[],
    own: { topic: string; group: string; time: TimeSignal; decisions: BatchDecisions },
  ) {
    this.messages = messages;
    this.topic = own.topic;
    this.group = own.group;
    this.#time = own.time;
    this.#decisions = own.decisions;
  }

  /** Aborts when the handler's time is up or the application's drain time has passed. */
  get signal(): AbortSignal {
    return this.#time.signal;
  }

  /**
   * The message is done with, even if the handler throws later. The last of `done` and `fail` holds; both are without
   * effect once the handler has ended.
   * @throws {TypeError} if the message is none of this batch
   */
  done(message: MessageContext): void {
    this.#decisions.done(message);
  }

  /**
   * The message failed with `error`, alone: it is retried, dead-lettered or discarded as the error says, and the
   * others are not.
   * @throws {TypeError} if the message is none of this batch
   */
  fail(message: MessageContext, error: unknown): void {
    this.#decisions.fail(message, error);
  }
}
