import {
  DeadLetter,
  Discard,
  MessageTooLargeError,
  RetryLater,
  type Clock,
  type Delivery,
  type EventContract,
  type Settlement,
} from '../contract/index.js';
import type { Codec } from './codec.js';
import type { Failed, Handling, Observer } from './events.js';
import { failureOf } from './failure.js';
import { retriesInPlace, type ResolvedHandlerOptions } from './handler-options.js';
import { delayAfter } from './retry-policy.js';
import { validate } from './validation.js';

export interface SettlingParts {
  /** The topic, pattern or queue as the handler names it. */
  readonly source: string;
  readonly options: ResolvedHandlerOptions;
  readonly contract?: EventContract<any, any>;
  readonly codec: Codec;
  readonly maxBodySize: number;
  /** Longest time the broker lets a delivery stay unsettled, in milliseconds. */
  readonly maxHold: number;
  /** Longest delay that the broker can wait before a retry, in milliseconds. */
  readonly maxDelay: number;
  readonly clock: Clock;
  readonly observe: Observer;
  /** Aborts when its subscription stops in this process: nothing new is started. */
  readonly stopping: AbortSignal;
  /** Aborts when the drain time has passed: running handlers are told. */
  readonly deadline: AbortSignal;
  /** What handlers depend on is down, and known to be: what fails now is not the message's fault. */
  readonly excused: () => boolean;
}

/** A delivery at one of its attempts. */
export interface Attempt {
  readonly delivery: Delivery;
  readonly attempt: number;
  /** When this process received it, in milliseconds since 1970. */
  readonly receivedAt: number;
}

/** What becomes of each message of a subscription, whether it is handled alone or with others; tells the observer. */
export interface Settling {
  /**
   * The payload, or where there is a schema its promise. Throws, or rejects with, what `afterFailure` knows for poison:
   * another attempt would find the same bytes.
   */
  payloadOf(delivery: Delivery): unknown;
  /** Whether a handler may begin with it: its subscription runs, and it does not go to another process. */
  mayBegin(delivery: Delivery): boolean;
  /** Of a message that needs no handler: nothing starts any more, nobody wants it, or it has killed too often. */
  beforeHandling(about: Attempt): Settlement | undefined;
  /** The same, for whoever looks on. */
  handling(about: Attempt): Handling;
  /** An attempt begins. */
  attempted(about: Attempt): void;
  /** It began at `began` and has succeeded. */
  handled(about: Attempt, began: number): Settlement;
  /**
   * Never throws.
   * @param began when the handler began, if it did
   */
  afterFailure(about: Attempt, thrown: unknown, began?: number): Settlement;
  release(about: Attempt): Settlement;
  /** The engine itself failed: the message stays with the broker, and does not come back at once. */
  afterDefect(about: Attempt, error: unknown): Settlement;
}

/** Looks as its cause does, for whoever looks on. */
class PoisonError extends Error {
  override readonly name: string;

  constructor(cause: unknown) {
    const { name, message } = failureOf(cause, 0);
    super(message, { cause });
    this.name = name;
  }
}

const poison = (cause: unknown): never => {
  throw new PoisonError(cause);
};

/** Milliseconds, where it can wait so long, until a message comes again over which the engine itself failed. */
const DEFECT_DELAY = 60_000;

const ACKNOWLEDGE: Settlement = { type: 'acknowledge' };

/** The one place where retry and dead-letter are decided. */
export function createSettling(parts: SettlingParts): Settling {
  const { source, options, contract, clock, observe } = parts;
  const { group } = options;
  const inPlace = retriesInPlace(options);

  const handling = ({ delivery: { message }, attempt }: Attempt): Handling => ({
    message,
    source,
    group,
    attempt,
  });

  function release(about: Attempt, failed?: Pick<Failed, 'error' | 'duration'>): Settlement {
    observe({ type: 'released', ...handling(about), ...failed });
    return { type: 'release' };
  }

  /** How long it can wait for its next attempt. */
  const longestDelay = ({ receivedAt }: Attempt): number =>
    inPlace ? Math.max(0, parts.maxHold - (clock.now() - receivedAt)) : parts.maxDelay;

  function decide(about: Attempt, thrown: unknown, began?: number): Settlement {
    // Whatever a handler throws that was told to stop: it had no fair attempt.
    const { deaths, lost } = about.delivery;
    if (parts.deadline.aborted || lost?.aborted) return release(about);
    const { attempt } = about;
    const error = thrown instanceof PoisonError ? thrown.cause : thrown;
    const duration = began === undefined ? undefined : clock.now() - began;
    const final =
      thrown instanceof PoisonError ||
      error instanceof DeadLetter ||
      (!(error instanceof RetryLater) && options.retry.never.some((never) => error instanceof never));
    if (!final && !(error instanceof Discard) && parts.excused()) return release(about, { error, duration });
    const hopeless = final || attempt >= options.retry.attempts;
    if (error instanceof Discard || (hopeless && (options.broadcast || !options.deadLetter))) {
      observe({ type: 'discarded', ...handling(about), error, duration });
      return ACKNOWLEDGE;
    }
    const failure = failureOf(error, clock.now());
    if (hopeless) {
      observe({ type: 'dead-lettered', ...handling(about), error, duration });
      // The last of the deaths is why it is here: no handler ran this time.
      return { type: 'dead-letter', failure, attempts: deaths > 0 ? attempt - 1 + deaths : attempt };
    }
    const delay = Math.min(
      error instanceof RetryLater ? error.delay : delayAfter(options.retry, attempt),
      longestDelay(about),
    );
    observe({ type: 'retried', ...handling(about), error, duration, delay });
    return { type: 'retry', delay, failure };
  }

  const afterDefect: Settling['afterDefect'] = (about, error) => {
    observe({
      type: 'warning',
      message: `message ${about.delivery.message.id} could not be dispatched: the engine failed`,
      error,
    });
    const delay = Math.min(DEFECT_DELAY, longestDelay(about));
    return { type: 'retry', delay, failure: failureOf(error, clock.now()) };
  };

  const afterFailure: Settling['afterFailure'] = (about, thrown, began) => {
    try {
      return decide(about, thrown, began);
    } catch (error) {
      return afterDefect(about, error);
    }
  };

  const mayBegin = ({ leaving, lost }: Delivery): boolean =>
    !parts.stopping.aborted && !leaving?.aborted && !lost?.aborted;

  return {
    release: (about) => release(about),
    afterFailure,
    handling,
    mayBegin,
    payloadOf({ message }) {
      try {
        if (message.body.byteLength > parts.maxBodySize)
          throw new MessageTooLargeError(
            `the body has ${message.body.byteLength} bytes: the limit is ${parts.maxBodySize}`,
          );
        const payload = parts.codec.decode(message.body, message.contentType);
        return contract?.schema ? validate(contract.schema, payload, contract.topic).catch(poison) : payload;
      } catch (cause) {
        return poison(cause);
      }
    },
    beforeHandling(about) {
      if (!mayBegin(about.delivery)) return release(about);
      const { message, deaths } = about.delivery;
      if (message.expiresAt !== undefined && message.expiresAt <= clock.now()) {
        observe({ type: 'expired', ...handling(about) });
        return ACKNOWLEDGE;
      }
      if (deaths > 0 && about.attempt + deaths > options.retry.attempts)
        return afterFailure(
          about,
          new DeadLetter(`the process died ${deaths} times while it handled this message`),
        );
      return undefined;
    },
    // These two are told of every message: each is made in one go.
    attempted({ delivery: { message }, attempt }) {
      observe({ type: 'attempted', message, source, group, attempt });
    },
    handled({ delivery: { message }, attempt }, began) {
      observe({ type: 'handled', message, source, group, attempt, duration: clock.now() - began });
      return ACKNOWLEDGE;
    },
    afterDefect,
  };
}
