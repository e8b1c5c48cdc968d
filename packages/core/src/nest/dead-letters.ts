import {
  InvalidMessageError,
  isContract,
  type DeadLetteredMessage,
  type EventContract,
  type SubscriptionId,
} from '../contract/index.js';
import { DEFAULT_CONNECTION, engineNamed, type Engines } from './runtime.js';

type Name = string | EventContract<any, any>;

/** Whose dead letters are meant: those of one group for one topic or pattern, or those of a queue. */
export type DeadLetterSource = (
  | {
      /** Topic, pattern or contract as the handler names it. */
      readonly topic: Name;
      /** @default the service's name */
      readonly group?: string;
    }
  | { readonly queue: Name }
) & {
  /** @default the module's own broker */
  readonly connection?: string;
};

function nameOf(name: Name): string {
  return isContract(name) ? name.topic : name;
}

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
  async list(source: DeadLetterSource, limit = 100): Promise<DeadLetteredMessage[]> {
    return this.#store(source).list(this.#subscription(source), limit);
  }

  /**
   * Returns those with the given message ids, or all, to their own subscription; attempts start anew.
   * Answers how many. Safe to interrupt: each is gone from here only when the subscription has it.
   */
  async redrive(source: DeadLetterSource, messageIds: readonly string[] | 'all'): Promise<number> {
    return this.#store(source).redrive(this.#subscription(source), idsOf(messageIds));
  }

  /** Deletes those with the given message ids, or all. Answers how many. */
  async purge(source: DeadLetterSource, messageIds: readonly string[] | 'all'): Promise<number> {
    return this.#store(source).purge(this.#subscription(source), idsOf(messageIds));
  }

  #store({ connection = DEFAULT_CONNECTION }: DeadLetterSource) {
    return engineNamed(this.#engines, connection, 'the source of dead letters').deadLetters;
  }

  #subscription(source: DeadLetterSource): SubscriptionId {
    return 'queue' in source
      ? { source: { kind: 'queue', name: nameOf(source.queue) }, group: this.#service }
      : { source: { kind: 'topic', name: nameOf(source.topic) }, group: source.group ?? this.#service };
  }
}
