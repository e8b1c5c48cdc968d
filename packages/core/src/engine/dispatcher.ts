import { AsyncResource } from 'node:async_hooks';
import { pause, type Delivery, type DeliveryHandler, type Settlement } from '../contract/index.js';
import type { BatchContext } from './batch-context.js';
import { createBatchDispatcher } from './batch-dispatcher.js';
import { whileHandling } from './current-message.js';
import { retriesInPlace } from './handler-options.js';
import type { Following } from './instruments.js';
import { createLanes } from './lanes.js';
import { MessageContext } from './message-context.js';
import { createRoom } from './room.js';
import { createSettling, type SettlingParts } from './settling.js';
import type { Time, TimeLimit } from './time-limit.js';

/**
 * Calls the application's handler, with whatever the framework puts around it: with a payload and its context, or,
 * where the handler's options say `batch`, with an array of payloads and theirs.
 */
export type Invoke = (payload: unknown, context: MessageContext | BatchContext) => unknown;

export interface DispatcherParts extends SettlingParts {
  readonly invoke: Invoke;
  /** Resolves when handlers may run; absent once they may. */
  readonly opening: () => Promise<void> | undefined;
  /** Of all handlers: it knows the deadline. */
  readonly limited: TimeLimit;
  /** Whoever traces and measures. */
  readonly following?: Following;
}

/** Turns deliveries of one subscription into settlements. */
export interface Dispatcher {
  readonly handle: DeliveryHandler;
  /** From now on so many handlers, or batches, run at a time; those that run beyond that end as they would. */
  readonly resize: (concurrency: number) => void;
}

export function createDispatcher(parts: DispatcherParts): Dispatcher {
  // Where the transport calls from is its affair: a publisher's own context must not become the handler's, nor that of
  // whoever changes how many run.
  const outside = new AsyncResource('nest-messaging');
  const { batch } = parts.options;
  const { handle, resize } = batch ? createBatchDispatcher(parts, batch) : createSingleDispatcher(parts);
  const { following } = parts;
  const settle = following ? tellingOf(handle, parts, following) : handle;
  return {
    handle: (delivery) => outside.runInAsyncScope(settle, undefined, delivery),
    // It may begin what waits.
    resize: (concurrency) => outside.runInAsyncScope(resize, undefined, concurrency),
  };
}

function tellingOf(
  dispatch: DeliveryHandler,
  { source, options: { group } }: DispatcherParts,
  following: Following,
): DeliveryHandler {
  return async (delivery) => {
    const settlement = await dispatch(delivery);
    return following.settle({ message: delivery.message, source, group }, settlement);
  };
}

function createSingleDispatcher(parts: DispatcherParts): Dispatcher {
  const { options, clock, stopping, limited, following } = parts;
  const settling = createSettling(parts);
  const inPlace = retriesInPlace(options);
  const lanes = createLanes();
  const slots = createRoom({ messages: options.concurrency, bytes: 0 });

  async function attemptOnce(delivery: Delivery, attempt: number, receivedAt: number): Promise<Settlement> {
    const about = { delivery, attempt, receivedAt };
    // Also where there is nothing to wait for: until Node 24, `enterWith` of an AsyncLocalStorage changes the store of all
    // that begins in the same turn, and the next message is none of it.
    await parts.opening();
    // Elsewhere the transport hands over no more than there are slots; in place it holds what waits, too. What is to
    // leave takes none: it does not begin.
    const leave = inPlace ? await slots.take(0, delivery.leaving).catch(() => undefined) : undefined;
    let began: number | undefined;
    /** Whether the handler ran: none is started once the subscription stops, or the delivery goes elsewhere. */
    let ran = false;
    const handle = (payload: unknown, time: Time): unknown => {
      if (time.over || !settling.mayBegin(delivery)) return undefined;
      ran = true;
      const context = new MessageContext(delivery, { group: options.group, attempt, receivedAt, time });
      return whileHandling(context, () => parts.invoke(payload, context));
    };
    /** Rejects as the handler does, or when its time is up; validation is part of it. */
    const call = (): Promise<unknown> =>
      limited(
        options.timeout,
        (time) => {
          const payload = settling.payloadOf(delivery);
          // Only a schema makes a promise of it: most handlers run without waiting for one.
          return payload instanceof Promise
            ? payload.then((valid) => handle(valid, time))
            : handle(payload, time);
        },
        delivery.lost,
      );
    try {
      const early = settling.beforeHandling(about);
      if (early) return early;
      began = clock.now();
      settling.attempted(about);
      await (following
        ? following.process({ batch: false, attempts: [settling.handling(about)] }, call)
        : call());
      return ran ? settling.handled(about, began) : settling.release(about);
    } catch (thrown) {
      return settling.afterFailure(about, thrown, began);
    } finally {
      leave?.();
    }
  }

  async function attemptInPlace(delivery: Delivery, receivedAt: number): Promise<Settlement> {
    for (let attempt = delivery.attempt; ; attempt++) {
      const settlement = await attemptOnce(delivery, attempt, receivedAt);
      if (settlement.type !== 'retry') return settlement;
      await pause(clock, settlement.delay, stopping, delivery.leaving);
    }
  }

  const settle = inPlace
    ? attemptInPlace
    : (delivery: Delivery, receivedAt: number) => attemptOnce(delivery, delivery.attempt, receivedAt);

  return {
    resize: (concurrency) => slots.resize(concurrency),
    handle(delivery) {
      const receivedAt = clock.now();
      return options.ordered
        ? lanes.enter(delivery.message.key, () => settle(delivery, receivedAt))
        : settle(delivery, receivedAt);
    },
  };
}
