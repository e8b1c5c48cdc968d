import { InvalidMessageError, type DeadLetteredMessage } from '../contract/index.js';
import { DEFAULT_CONNECTION, engineNamed, type Engines } from './runtime.js';
import { subscriptionOf, type SubscriptionSource } from './subscription-source.js';

function idsOf(messageIds: readonly string[] | 'all'): ReadonlySet<string> | undefined {
  if (messageIds === 'all') return undefined;
  if (Array.isArray(messageIds)) return new Set<string>(messageIds);
  throw new InvalidMessageError("which dead letters is unclear: give an array of message ids, or 'all'");
}

/**
 * Messages set aside after their last attempt: look at them, give them back, or delete them.
 *
 * Each call rejects with `ConfigurationError` where the connection is unknown, and with `ConnectionError` or
 * `ClosedError` where the broker is away or the application shuts down.
 */
export class DeadLetters {
  readonly #engines: Engines;
  readonly #service: string;

  /** @internal */
  constructor(engines: Engines, service: string) {
    this.#engines = engines;
    this.#service = service;
  }

  /** The oldest `limit`, oldest first. Looking takes none away. */
  async list(source: SubscriptionSource, limit = 100): Promise<DeadLetteredMessage[]> {
    return this.#store(source).list(subscriptionOf(source, this.#service), limit);
  }

  /**
   * Returns those with the given message ids, or all, to their own subscription; attempts start anew.
   * Answers how many. Safe to interrupt: each is gone from here only when the subscription has it.
   */
  async redrive(source: SubscriptionSource, messageIds: readonly string[] | 'all'): Promise<number> {
    return this.#store(source).redrive(subscriptionOf(source, this.#service), idsOf(messageIds));
  }

  /** Deletes those with the given message ids, or all. Answers how many. */
  async purge(source: SubscriptionSource, messageIds: readonly string[] | 'all'): Promise<number> {
    return this.#store(source).purge(subscriptionOf(source, this.#service), idsOf(messageIds));
  }

  #store({ connection = DEFAULT_CONNECTION }: SubscriptionSource) {
    return engineNamed(this.#engines, connection, 'the source of dead letters').deadLetters;
  }
}
