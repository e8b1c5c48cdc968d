import type { Delivery, Headers } from '../contract/index.js';
import type { TimeSignal } from './time-limit.js';

/** What a handler is told of the message it handles, beside the payload. */
export class MessageContext {
  /** Unique per publish: the key for recognising a duplicate. */
  readonly id: string;
  /** The topic it was published under (never a pattern), or its queue. */
  readonly topic: string;
  readonly group: string;
  readonly key?: string;
  readonly headers: Headers;
  /** Failures of the handler so far + 1. */
  readonly attempt: number;
  /** When it was published, where the publisher said. */
  readonly publishedAt?: Date;
  /** When this process received it. */
  readonly receivedAt: Date;
  /** Shared by all messages of one conversation; the first message's own id where it began without one. */
  readonly correlationId: string;
  /** `id` of the message whose handling published this one. */
  readonly causationId?: string;
  readonly #delivery: Pick<Delivery, 'raw'>;
  readonly #time: TimeSignal;

  constructor(
    delivery: Pick<Delivery, 'message' | 'raw'>,
    own: { group: string; attempt: number; receivedAt: number; time: TimeSignal },
  ) {
    const { message } = delivery;
    this.id = message.id;
    this.topic = message.destination.name;
    this.group = own.group;
    this.key = message.key;
    this.headers = message.headers;
    this.attempt = own.attempt;
    this.publishedAt = message.publishedAt === undefined ? undefined : new Date(message.publishedAt);
    this.receivedAt = new Date(own.receivedAt);
    this.correlationId = message.correlationId ?? message.id;
    this.causationId = message.causationId;
    this.#delivery = delivery;
    this.#time = own.time;
  }

  /** The broker client's own message. Using it binds the handler to one broker. */
  get raw(): unknown {
    return this.#delivery.raw;
  }

  /**
   * Aborts when the handler's time is up, the application's drain time has passed, or the broker gives the message to
   * another process.
   */
  get signal(): AbortSignal {
    return this.#time.signal;
  }
}
