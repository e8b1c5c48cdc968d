import {
  DeadLetter,
  Discard,
  HandlerTimeoutError,
  MessageTooLargeError,
  MessagingError,
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
import type { ResolvedHandlerOptions } from './handler-options.js';
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

const RELEASE: Settlement = { type: 'release' };
const ACKNOWLEDGE: Settlement = { type: 'acknowledge' };

/** Turns deliveries of one subscription into settlements. The one place where retry and dead-letter are decided. */
export function createDispatcher(parts: DispatcherParts): DeliveryHandler {
  const { options, contract, clock, observe, draining } = parts;
  const inPlace = options.ordered || options.broadcast;
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

  /** Rejects as the handler does, or when its time is up. */
  async function handle(delivery: Delivery, attempt: number, receivedAt: number): Promise<void> {
    const payload = await payloadOf(delivery);
    const controller = new AbortController();
    const { signal } = controller;
    const context = new MessageContext(delivery.message, {
      group: options.group,
      attempt,
      receivedAt,
      signal,
      raw: delivery.raw,
    });
    const late = deferred<never>();
    const giveUp = (error: unknown): void => {
      late.reject(error);
      controller.abort(error);
    };
    const cancelTimer = clock.schedule(
      () => giveUp(new HandlerTimeoutError(`the handler ran longer than ${options.timeout} ms`)),
      options.timeout,
    );
    running.add(giveUp);
    try {
      await Promise.race([whileHandling(context, async () => parts.invoke(payload, context)), late.promise]);
    } finally {
      cancelTimer();
      running.delete(giveUp);
    }
  }

  /** What a failure leads to. */
  function afterFailure(thrown: unknown, about: Handling, receivedAt: number): Settlement {
    if (parts.deadline.aborted) {
      // Whatever a handler throws that was told to stop: it had no fair attempt.
      observe({ type: 'released', ...about });
      return RELEASE;
    }
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
      return { type: 'dead-letter', failure };
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
    if (draining.aborted) {
      observe({ type: 'released', ...about });
      return RELEASE;
    }
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
      await handle(delivery, attempt, receivedAt);
      observe({ type: 'handled', ...about, duration: clock.now() - began });
      return ACKNOWLEDGE;
    } catch (thrown) {
      return afterFailure(thrown, about, receivedAt);
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

  return async (delivery) => {
    await parts.opened;
    const receivedAt = clock.now();
    try {
      return options.ordered
        ? await lanes.enter(delivery.message.key, () => settle(delivery, receivedAt))
        : await settle(delivery, receivedAt);
    } catch (error) {
      // Nothing above is meant to throw; if it does, the message stays with the broker and the defect is seen.
      observe({
        type: 'warning',
        message: `message ${delivery.message.id} was returned: the engine failed`,
        error:
          error instanceof MessagingError
            ? error
            : new MessagingError('ENGINE', 'defect in the engine', { cause: error }),
      });
      return RELEASE;
    }
  };
}
