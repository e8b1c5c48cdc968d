import { Logger } from '@nestjs/common';
import { ConfigurationError } from '../contract/index.js';
import { failureOf, type Observer } from '../engine/index.js';
import { TOLD, type MessagingEventMap, type MessagingEventType } from './messaging-event.js';

type Listener = (event: never) => unknown;

/**
 * What happens in the module, for an application's own alerts and counts: each by what names it, without body, headers and key.
 * Whoever wants more of a message has it in its handler, or in its dead letter.
 *
 * @example
 * events.on('dead-lettered', ({ topic, group, error }) => pager.tell(`${topic} in ${group}: ${error.message}`));
 */
export class MessagingEvents {
  /** Made anew with each change: who is told of an event is settled when it happens. */
  readonly #listeners = new Map<MessagingEventType, readonly Listener[]>();
  readonly #logger = new Logger('Messaging');

  /**
   * From now on calls `listener` when it happens, in the same turn, so that nothing comes late and nothing should take
   * long. What it throws or rejects with is logged and changes nothing. Answers what ends that.
   * @throws {ConfigurationError} if nothing of that name happens
   */
  on<Type extends MessagingEventType>(
    type: Type,
    listener: (event: MessagingEventMap[Type]) => unknown,
  ): () => void {
    if (!Object.hasOwn(TOLD, type))
      throw new ConfigurationError(
        `nothing is told of '${String(type)}': valid are ${Object.keys(TOLD).join(', ')}`,
      );
    const listening = (): readonly Listener[] => this.#listeners.get(type) ?? [];
    // Its own, so that a function that listens twice is ended by one at a time.
    const mine: Listener = (event) => listener(event);
    this.#listeners.set(type, [...listening(), mine]);
    return () => {
      const others = listening().filter((each) => each !== mine);
      if (others.length > 0) this.#listeners.set(type, others);
      else this.#listeners.delete(type);
    };
  }

  /** @internal What tells of one connection. What nobody listens for is not put together. */
  observerOf(connection: string): Observer {
    return (event) => {
      const type = event.type as MessagingEventType;
      const listeners = this.#listeners.get(type);
      if (!listeners) return;
      const told = Object.freeze(TOLD[type](connection, event as never));
      for (const listener of listeners) this.#tell(listener, told, type);
    };
  }

  #tell(listener: Listener, told: object, type: MessagingEventType): void {
    const failed = (error: unknown): void => {
      const { name, message } = failureOf(error, 0);
      this.#logger.error(`a listener to '${type}' failed: ${name}: ${message}`);
    };
    try {
      // Unhandled, a rejection would end the process.
      void Promise.resolve(listener(told as never)).catch(failed);
    } catch (error) {
      failed(error);
    }
  }
}
