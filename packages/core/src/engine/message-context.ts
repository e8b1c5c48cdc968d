import type { Delivery, Headers, Message } from '../contract/index.js';
import type { Time } from './time-limit.js';

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
  /** The broker client's own message. Using it binds the handler to one broker. */
  readonly raw: unknown;
  readonly #time: Pick<Time, 'signal'>;

  constructor(
    message: Message,
    own: {
      group: string;
      attempt: number;
      receivedAt: number;
      time: Pick<Time, 'signal'>;
      raw: Delivery['raw'];
    },
  ) {
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
    this.raw = own.raw;
    this.#time = own.time;
  }

  /**
   * Aborts when the handler's time is up, the application's drain time has passed, or the broker gives the message to
   * another process.
   */
  get signal(): AbortSignal {
    return this.#time.signal;
  }
}
