import {
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

/** Messages set aside after their last attempt: look at them, give them back, or delete them. */
export class DeadLetters {
  readonly #engines: Engines;
  readonly #service: string;

  /** @internal */
  constructor(engines: Engines, service: string) {
    this.#engines = engines;
    this.#service = service;
  }

  /** The oldest `limit`, oldest first. Looking takes none away. */
  list(source: DeadLetterSource, limit = 100): Promise<DeadLetteredMessage[]> {
    return this.#store(source).list(this.#subscription(source), limit);
  }

  /**
   * Returns those with the given message ids, or all, to their own subscription; attempts start anew.
   * Answers how many. Safe to interrupt: each is gone from here only when the subscription has it.
   */
  redrive(source: DeadLetterSource, messageIds?: Iterable<string>): Promise<number> {
    return this.#store(source).redrive(this.#subscription(source), messageIds && new Set(messageIds));
  }

  /** Deletes those with the given message ids, or all. Answers how many. */
  purge(source: DeadLetterSource, messageIds?: Iterable<string>): Promise<number> {
    return this.#store(source).purge(this.#subscription(source), messageIds && new Set(messageIds));
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
