import { InvalidMessageError } from './errors.js';
import type { Message } from './message.js';
import type { Failure } from './settlement.js';
import type { SubscriptionId } from './transport.js';

/** A message set aside, with what the last failure was. */
export interface DeadLetteredMessage {
  readonly message: Message;
  readonly failure: Failure;
  /** How often the handler failed. */
  readonly attempts: number;
  readonly group: string;
  /** When it was first handed to a handler that failed, in milliseconds since 1970. */
  readonly firstFailedAt: number;
  /**
   * Where it was when it failed, in the broker's own words: a queue, or `topic/partition/offset`. Left out where nobody
   * knows.
   */
  readonly origin?: string;
  /** Why its body, which lies elsewhere, cannot be had; `message.body` says where that is. */
  readonly unreadable?: string;
  /** Where it lies among the dead letters of its subscription; text that only its transport reads. */
  readonly position: string;
  /** The broker client's own message. */
  readonly raw: unknown;
}

/** All of a dead letter that another broker, or another day, can make it of again. */
export type DeadLetterContent = Omit<DeadLetteredMessage, 'unreadable' | 'position' | 'raw'>;

/** A dead letter without its payload. */
export type DeadLetterHead = Omit<DeadLetterContent, 'message'> & { readonly message: Omit<Message, 'body'> };

/** Which of the dead letters are meant, and for how long. */
export interface Choice {
  /**
   * Asked of each, oldest first, and of none before there is an answer about the one before: who takes time to answer
   * sets the pace. What it throws ends the call.
   * @default all
   */
  readonly select?: (letter: DeadLetterHead) => boolean | Promise<boolean>;
  /**
   * Once it aborts, nothing more is begun; what is under way is finished, and the call rejects with its reason. It ends
   * the wait for others who look at the same, too.
   */
  readonly signal?: AbortSignal;
}

export interface Browsing extends Choice {
  /** The `position` of a letter: those behind it are meant, be it still there or not. */
  readonly after?: string;
  /** So many, the oldest, and no more. @default all */
  readonly limit?: number;
  /** `false`: a body that lies elsewhere is not fetched. @default true */
  readonly bodies?: boolean;
}

export interface Taking extends Choice {
  /** Told of each when it is gone from here. */
  readonly onGone?: (letter: DeadLetterHead) => void;
}

/** Where a transport keeps dead letters. A subscription that has none, or does not exist, is empty. */
export interface DeadLetterStore {
  /**
   * Resolves if there is a place for the dead letters of such a subscription, be there any or not: for whoever may have
   * mistyped its name, and would take it for one whose letters are all mended.
   * @throws {TopologyError} naming the subscription and the place, if there is none
   */
  check(subscription: SubscriptionId): Promise<void>;
  /**
   * Those that are here when it begins, oldest first. A broker that keeps no order, and cannot tell what comes
   * meanwhile, has both as nearly as it can, and the order exactly where `limit` is given. Takes none away, however
   * often it is called and wherever it is left, and has a bounded number of them in memory. Until it is left, others
   * who look at the same may have to wait, or see fewer.
   * @throws {InvalidMessageError} if `after` is no position
   */
  browse(subscription: SubscriptionId, browsing?: Browsing): AsyncIterable<DeadLetteredMessage>;
  /**
   * Returns them to their own subscription: attempts start anew, body and headers as they were, and those of one key
   * one after the other, where the broker can keep an order. What fails again meanwhile is not returned once more. Each
   * is gone from here only when the subscription has it: who is interrupted between the two leaves a duplicate with the
   * same message id, and never a loss. Answers how many.
   * @throws {InvalidMessageError} if one would have to go elsewhere, since its `origin` is none of this subscription's
   * @throws {ConnectionError} in bounded time, if the broker goes away: what it has not confirmed stays
   */
  redrive(subscription: SubscriptionId, taking?: Taking): Promise<number>;
  /**
   * Deletes them. Answers how many.
   * @throws {ConnectionError} as `redrive`
   */
  purge(subscription: SubscriptionId, taking?: Taking): Promise<number>;
  /**
   * Sets aside what was set aside before, as the newest: its redrive delivers body and headers as they were. Resolves
   * when the broker has it. Calls that are not waited for keep their order where the broker does.
   * @throws {TopologyError | PublishRejectedError} if there is no such subscription; nothing is made
   * @throws {InvalidMessageError} if `origin` is none of this subscription's
   * @throws the signal's reason, once it aborts
   */
  restore(subscription: SubscriptionId, letter: DeadLetterContent, signal?: AbortSignal): Promise<void>;
}

/** A position that no letter can have. */
export const noPosition = (position: string): InvalidMessageError =>
  new InvalidMessageError(
    `'${position}' is no place among these dead letters: give what the page before named, unchanged`,
  );
