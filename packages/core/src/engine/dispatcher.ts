import { AsyncResource } from 'node:async_hooks';
import {
  DeadLetter,
  Discard,
  HandlerTimeoutError,
  MessageTooLargeError,
  RetryLater,
  type Clock,
  type Delivery,
  type DeliveryHandler,
  type EventContract,
  type Settlement,
} from '../contract/index.js';
import type { Codec } from './codec.js';
import { whileHandling } from './current-message.js';
import { deferred } from './deferred.js';
import type { Handling, Observer } from './events.js';
import { failureOf } from './failure.js';
import { retriesInPlace, type ResolvedHandlerOptions } from './handler-options.js';
import { createLanes } from './lanes.js';
import { MessageContext } from './message-context.js';
import { createRoom } from './room.js';
import { delayAfter } from './retry-policy.js';
import { validate } from './validation.js';

/** Calls the application's handler, with whatever the framework puts around it. */
export type Invoke = (payload: unknown, context: MessageContext) => unknown;

export interface DispatcherParts {
  readonly options: ResolvedHandlerOptions;
  readonly contract?: EventContract<any, any>;
  readonly invoke: Invoke;
  readonly codec: Codec;
  readonly maxBodySize: number;
  /** Longest time the broker lets a delivery stay unsettled, in milliseconds. */
  readonly maxHold: number;
  /** Longest delay that the broker can wait before a retry, in milliseconds. */
  readonly maxDelay: number;
  readonly clock: Clock;
  readonly observe: Observer;
  /** Resolves when handlers may run. */
  readonly opened: Promise<void>;
  /** Aborts when shutdown begins: nothing new is started. */
  readonly draining: AbortSignal;
  /** Aborts when the drain time has passed: running handlers are told. */
  readonly deadline: AbortSignal;
}

/** What is poison stays poison: another attempt would find the same bytes. */
class PoisonError extends Error {
  override readonly name = 'PoisonError';
}

/** Milliseconds until a message comes again over which the engine itself failed. */
const DEFECT_DELAY = 60_000;

const ACKNOWLEDGE: Settlement = { type: 'acknowledge' };

/** Turns deliveries of one subscription into settlements. The one place where retry and dead-letter are decided. */
export function createDispatcher(parts: DispatcherParts): DeliveryHandler {
  const { options, contract, clock, observe, draining } = parts;
  const inPlace = retriesInPlace(options);
  const lanes = createLanes();
  const slots = createRoom({ messages: options.concurrency, bytes: 0 });
  /** One listener for all: a signal with a listener for each message is slow, and Node warns of it. */
  const running = new Set<(error: unknown) => void>();
  parts.deadline.addEventListener('abort', () => running.forEach((giveUp) => giveUp(parts.deadline.reason)));
  const waiting = new Set<() => void>();
  draining.addEventListener('abort', () => waiting.forEach((stop) => stop()));

  async function payloadOf({ message }: Delivery): Promise<unknown> {
    try {
      if (message.body.byteLength > parts.maxBodySize)
        throw new MessageTooLargeError(
          `the body has ${message.body.byteLength} bytes: the limit is ${parts.maxBodySize}`,
        );
      const payload = parts.codec.decode(message.body, message.contentType);
      return contract?.schema ? await validate(contract.schema, payload, contract.topic) : payload;
    } catch (cause) {
      throw new PoisonError('', { cause });
    }
  }

  /**
   * Rejects as the handler does, or when its time is up; validation is part of it. Answers whether the handler ran:
   * none is started once shutdown has begun.
   */
  async function handle(delivery: Delivery, attempt: number, receivedAt: number): Promise<boolean> {
    const controller = new AbortController();
    const { signal } = controller;
    const late = deferred<never>();
    const giveUp = (error: unknown): void => {
      late.reject(error);
      controller.abort(error);
    };
    const run = async (): Promise<boolean> => {
      const payload = await payloadOf(delivery);
      if (draining.aborted) return false;
      const context = new MessageContext(delivery.message, {
        group: options.group,
        attempt,
        receivedAt,
        signal,
        raw: delivery.raw,
      });
      await whileHandling(context, async () => parts.invoke(payload, context));
      return true;
    };
    const cancelTimer = clock.schedule(
      () => giveUp(new HandlerTimeoutError(`the handler ran longer than ${options.timeout} ms`)),
      options.timeout,
    );
    running.add(giveUp);
    try {
      return await Promise.race([run(), late.promise]);
    } finally {
      cancelTimer();
      running.delete(giveUp);
    }
  }

  function release(about: Handling): Settlement {
    observe({ type: 'released', ...about });
    return { type: 'release' };
  }

  /** What a failure leads to. */
  function afterFailure(thrown: unknown, about: Handling, receivedAt: number, deaths: number): Settlement {
    // Whatever a handler throws that was told to stop: it had no fair attempt.
    if (parts.deadline.aborted) return release(about);
    const error = thrown instanceof PoisonError ? thrown.cause : thrown;
    const hopeless =
      thrown instanceof PoisonError ||
      error instanceof DeadLetter ||
      about.attempt >= options.retry.attempts ||
      (!(error instanceof RetryLater) && options.retry.never.some((never) => error instanceof never));
    if (error instanceof Discard || (hopeless && (options.broadcast || !options.deadLetter))) {
      observe({ type: 'discarded', ...about, error });
      return ACKNOWLEDGE;
    }
    const failure = failureOf(error, clock.now());
    if (hopeless) {
      observe({ type: 'dead-lettered', ...about, error });
      // The last of the deaths is why it is here: no handler ran this time.
      const attempts = deaths > 0 ? about.attempt - 1 + deaths : about.attempt;
      return { type: 'dead-letter', failure, attempts };
    }
    const delay = Math.min(
      error instanceof RetryLater ? error.delay : delayAfter(options.retry, about.attempt),
      inPlace ? Math.max(0, parts.maxHold - (clock.now() - receivedAt)) : parts.maxDelay,
    );
    observe({ type: 'retried', ...about, error, delay });
    return { type: 'retry', delay, failure };
  }

  /** What becomes of a message without its handler: shutdown has begun, or nobody wants it any more. */
  function beforeHandling(about: Handling): Settlement | undefined {
    if (draining.aborted) return release(about);
    const { expiresAt } = about.message;
    if (expiresAt === undefined || expiresAt > clock.now()) return undefined;
    observe({ type: 'expired', ...about });
    return ACKNOWLEDGE;
  }

  async function attemptOnce(delivery: Delivery, attempt: number, receivedAt: number): Promise<Settlement> {
    const about: Handling = { message: delivery.message, group: options.group, attempt };
    // Elsewhere the transport hands over no more than there are slots; in place it holds what waits, too.
    const leave = inPlace ? await slots.take(0) : undefined;
    try {
      const early = beforeHandling(about);
      if (early) return early;
      if (delivery.deaths > 0 && attempt + delivery.deaths > options.retry.attempts)
        throw new DeadLetter(`the process died ${delivery.deaths} times while it handled this message`);
      const began = clock.now();
      observe({ type: 'attempted', ...about });
      if (!(await handle(delivery, attempt, receivedAt))) return release(about);
      observe({ type: 'handled', ...about, duration: clock.now() - began });
      return ACKNOWLEDGE;
    } catch (thrown) {
      return afterFailure(thrown, about, receivedAt, delivery.deaths);
    } finally {
      leave?.();
    }
  }

  /** Waits unless shutdown begins. */
  function wait(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const stop = (): void => {
        cancel();
        waiting.delete(stop);
        resolve();
      };
      const cancel = clock.schedule(stop, ms);
      if (draining.aborted) stop();
      else waiting.add(stop);
    });
  }

  async function settle(delivery: Delivery, receivedAt: number): Promise<Settlement> {
    for (let attempt = delivery.attempt; ; attempt++) {
      const settlement = await attemptOnce(delivery, attempt, receivedAt);
      if (settlement.type !== 'retry' || !inPlace) return settlement;
      await wait(settlement.delay);
    }
  }

  async function dispatch(delivery: Delivery): Promise<Settlement> {
    await parts.opened;
    const receivedAt = clock.now();
    try {
      return options.ordered
        ? await lanes.enter(delivery.message.key, () => settle(delivery, receivedAt))
        : await settle(delivery, receivedAt);
    } catch (error) {
      // Nothing above is meant to throw. If it does, the message stays with the broker, and does not come back at once.
      observe({
        type: 'warning',
        message: `message ${delivery.message.id} could not be dispatched: the engine failed`,
        error,
      });
      return inPlace
        ? { type: 'release' }
        : {
            type: 'retry',
            delay: parts.maxDelay === 0 ? 0 : DEFECT_DELAY,
            failure: failureOf(error, clock.now()),
          };
    }
  }

  // Where the transport calls from is its affair: a publisher's own context must not become the handler's.
  const outside = new AsyncResource('nest-messaging');
  return (delivery) => outside.runInAsyncScope(dispatch, undefined, delivery);
}
