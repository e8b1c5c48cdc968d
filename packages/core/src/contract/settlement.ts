/** What went wrong with a message, as plain text fit for a header: no stack, no payload. */
export interface Failure {
  /** The error's class name. */
  readonly name: string;
  readonly message: string;
  /** The error's `code`, where it has one. */
  readonly code?: string;
  /** When, in milliseconds since 1970. */
  readonly at: number;
}

/** Whoever wants to know when a settlement has been carried out. */
interface Told {
  /**
   * Called once: of `retry` and `dead-letter`, when the broker has the message anew, or with why it has not; of
   * `acknowledge` and `release`, when the broker's client has been told. Not called where the delivery was lost to another
   * process, or the transport closed, before that. Left out where nobody asks. Never throws.
   */
  readonly carriedOut?: (error?: unknown) => void;
}

/**
 * What becomes of a delivery. The engine decides, the transport carries it out with the broker's best means.
 *
 * - `acknowledge`: done; the broker forgets it.
 * - `retry`: handed over again, to this subscription only, after `delay` milliseconds, with `attempt` one higher.
 *   Others of the subscription are not held up.
 * - `dead-letter`: set aside with its failure and how often the handler has failed; body and headers untouched.
 * - `release`: returned unhandled; `attempt` stays as it is.
 */
export type Settlement = Told &
  (
    | { readonly type: 'acknowledge' }
    | { readonly type: 'retry'; readonly delay: number; readonly failure: Failure }
    | { readonly type: 'dead-letter'; readonly failure: Failure; readonly attempts: number }
    | { readonly type: 'release' }
  );
