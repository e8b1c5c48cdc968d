import type { SubscriptionId } from '../contract/index.js';
import type {
  DeadLetterOffice,
  DeadLetterPage,
  DeadLettersImported,
  DeadLettersTaken,
  ExportDeadLettersOptions,
  ListDeadLettersOptions,
  RedriveOptions,
  ShowDeadLetterOptions,
  ShownDeadLetter,
  TakeDeadLettersOptions,
  WhichDeadLetters,
} from '../engine/index.js';
import { DEFAULT_CONNECTION, engineNamed, type Engines } from './runtime.js';
import { subscriptionOf, type SubscriptionSource } from './subscription-source.js';

/**
 * Messages set aside after their last attempt: look at them, give them back, delete them, or keep them in a file.
 *
 * Each call rejects with `ConfigurationError` where the connection or an option is unknown, and with `ConnectionError`
 * or `ClosedError` where the broker is away or the application shuts down. `redrive`, `purge` and `import` can be
 * interrupted at any time and called again: a letter is gone only when that has been done for which it was to go.
 */
export class DeadLetters {
  readonly #engines: Engines;
  readonly #service: string;

  /** @internal */
  constructor(engines: Engines, service: string) {
    this.#engines = engines;
    this.#service = service;
  }

  /**
   * A page of those that fit, oldest first, without their payloads unless asked for; `next` of one page is `after` of
   * another. Looking takes none away.
   */
  async list(source: SubscriptionSource, options?: ListDeadLettersOptions): Promise<DeadLetterPage> {
    return this.#office(source).list(this.#id(source), options);
  }

  /** The oldest with this message id, without its payload unless asked for; undefined if there is none. */
  async show(
    source: SubscriptionSource,
    messageId: string,
    options?: ShowDeadLetterOptions,
  ): Promise<ShownDeadLetter | undefined> {
    return this.#office(source).show(this.#id(source), messageId, options);
  }

  /**
   * Returns them to their own subscription, oldest first and those of one key one after the other; attempts start anew.
   * Each is gone from here only when the subscription has it: a process that is killed between the two leaves a
   * duplicate with the same message id. Those that have expired are left, and counted: no handler would get them.
   * @throws {InvalidMessageError} if it is unclear which are meant
   */
  async redrive(
    source: SubscriptionSource,
    which: WhichDeadLetters,
    options?: RedriveOptions,
  ): Promise<DeadLettersTaken> {
    return this.#office(source).redrive(this.#id(source), which, options);
  }

  /**
   * Deletes them.
   * @throws {InvalidMessageError} if it is unclear which are meant
   */
  async purge(
    source: SubscriptionSource,
    which: WhichDeadLetters,
    options?: TakeDeadLettersOptions,
  ): Promise<DeadLettersTaken> {
    return this.#office(source).purge(this.#id(source), which, options);
  }

  /**
   * Each as a line of JSON with its line feed, payload included, as text where it is valid UTF-8; oldest first. Takes
   * none away. What has been read is all that is in memory.
   * @throws {UndecodableError} if a body that lies elsewhere cannot be had
   */
  export(
    source: SubscriptionSource,
    which?: WhichDeadLetters,
    options?: ExportDeadLettersOptions,
  ): AsyncIterable<string> {
    return this.#office(source).export(this.#id(source), which, options);
  }

  /**
   * Sets aside again what was exported of the same subscription: a file's stream, or anything that gives text in
   * pieces. What is there already, by its message id, is left out, so that the same file can be given twice.
   * @throws {InvalidMessageError} with the line's number, if one is malformed or of another subscription; those before
   * it may have been set aside
   */
  async import(
    source: SubscriptionSource,
    lines: AsyncIterable<string | Uint8Array> | Iterable<string | Uint8Array>,
    options?: TakeDeadLettersOptions,
  ): Promise<DeadLettersImported> {
    return this.#office(source).import(this.#id(source), lines, options);
  }

  #id(source: SubscriptionSource): SubscriptionId {
    return subscriptionOf(source, this.#service);
  }

  #office({ connection = DEFAULT_CONNECTION }: SubscriptionSource): DeadLetterOffice {
    return engineNamed(this.#engines, connection, 'the source of dead letters').deadLetters;
  }
}
