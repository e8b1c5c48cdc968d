import { Inject } from '@nestjs/common';
import { MessagingError, type EventContract } from '../contract/index.js';
import type { Engine, PublishOptions } from '../engine/index.js';

/** Some messages of a `publishAll` were not accepted; the others were. */
export class PublishAllError extends MessagingError {
  /** Position in the given payloads, and why. */
  readonly failures: readonly { readonly index: number; readonly error: unknown }[];

  constructor(topic: string, count: number, failures: PublishAllError['failures']) {
    super('PUBLISH_ALL', `${failures.length} of ${count} messages for '${topic}' were not published`, {
      cause: failures[0]?.error,
      retryable: failures.every(({ error }) => error instanceof MessagingError && error.retryable),
    });
    this.failures = failures;
  }
}

/**
 * Publishes events and enqueues tasks. Inject it by its class; that of another connection with {@link InjectEventBus}.
 *
 * Each call resolves once the broker has the message safely, and rejects otherwise:
 *
 * | rejects with | when | sent? |
 * |---|---|---|
 * | `InvalidMessageError` | topic, header, key or option is unusable | no |
 * | `InvalidPayloadError` | the payload does not fit the contract's schema | no |
 * | `MessageTooLargeError` | it exceeds the module's or the broker's limit | no |
 * | `UnsupportedError` | the broker cannot do what an option asks for | no |
 * | `OverloadError` | too much was waiting for the whole time-out | no |
 * | `PublishTimeoutError` | no confirmation in time | unknown: repeat with the same `messageId` |
 * | `PublishRejectedError` | the broker refused it, or nothing could take it | no |
 * | `ClosedError` | the application is shut down | no |
 */
export class EventBus {
  readonly #engine: Engine;

  /** @internal */
  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** To every group that subscribes to the topic. */
  publish<In>(
    contract: EventContract<In, any>,
    payload: NoInfer<In>,
    options?: PublishOptions,
  ): Promise<void>;
  publish(topic: string, payload: unknown, options?: PublishOptions): Promise<void>;
  publish(
    target: string | EventContract<any, any>,
    payload: unknown,
    options?: PublishOptions,
  ): Promise<void> {
    return this.#engine.publish('topic', target, payload, options);
  }

  /**
   * Publishes many; the broker may take them in one go. Resolves when all are safe.
   * @throws {PublishAllError} if some are not, after all have been tried
   */
  publishAll<In>(
    contract: EventContract<In, any>,
    payloads: readonly NoInfer<In>[],
    options?: Omit<PublishOptions, 'messageId'>,
  ): Promise<void>;
  publishAll(
    topic: string,
    payloads: readonly unknown[],
    options?: Omit<PublishOptions, 'messageId'>,
  ): Promise<void>;
  async publishAll(
    target: string | EventContract<any, any>,
    payloads: readonly unknown[],
    options?: Omit<PublishOptions, 'messageId'>,
  ): Promise<void> {
    const results = await Promise.allSettled(
      payloads.map((payload) => this.#engine.publish('topic', target, payload, options)),
    );
    const failures = results.flatMap((result, index) =>
      result.status === 'rejected' ? [{ index, error: result.reason as unknown }] : [],
    );
    if (failures.length > 0)
      throw new PublishAllError(
        typeof target === 'string' ? target : target.topic,
        payloads.length,
        failures,
      );
  }

  /** To one worker of the queue; kept until there is one. */
  enqueue<In>(
    contract: EventContract<In, any>,
    payload: NoInfer<In>,
    options?: PublishOptions,
  ): Promise<void>;
  enqueue(queue: string, payload: unknown, options?: PublishOptions): Promise<void>;
  enqueue(
    target: string | EventContract<any, any>,
    payload: unknown,
    options?: PublishOptions,
  ): Promise<void> {
    return this.#engine.publish('queue', target, payload, options);
  }
}

/** Injection token of a connection's bus: the class itself for the module's own broker. */
export function getEventBusToken(connection?: string): typeof EventBus | string {
  return connection === undefined ? EventBus : `nest-messaging:EventBus:${connection}`;
}

/** Injects the bus of a named connection. */
export function InjectEventBus(connection?: string): ReturnType<typeof Inject> {
  return Inject(getEventBusToken(connection));
}
