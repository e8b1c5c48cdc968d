import {
  pause,
  type Clock,
  type Delivery,
  type DeliveryHandler,
  type Message,
  type Settlement,
  type Subscription,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { End, Hold, Work } from './consumer.js';
import { nextHop } from './delays.js';
import type { NewRecord, NewTopic, StoredRecord } from './driver/driver.js';
import type { Publisher } from './publisher.js';
import type { DelayNames, Owner, SubscriptionNames } from './topology.js';
import { copyForDeadLetters, copyForRetry, delayed, read, type Received } from './wire.js';

export interface SubscriptionParts {
  readonly owner: Owner;
  readonly subscription: Subscription;
  /** The subscription in words. */
  readonly what: string;
  /** Undefined for a broadcast, which has nothing of its own on the broker. */
  readonly names: SubscriptionNames | undefined;
  readonly delays: DelayNames;
  /** All that its copies need. */
  readonly needs: readonly NewTopic[];
  readonly handle: DeliveryHandler;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** Aborts when the transport waits for nothing more. */
  readonly abandoned: AbortSignal;
  readonly report: (event: TransportEvent) => void;
}

/** Milliseconds until a record whose settlement could not be carried out is handed over again. */
const AGAIN_AFTER = 1_000;

/** A record in hand. A class, since an object with a getter of its own costs as much as all the rest of it. */
class RecordDelivery implements Delivery {
  readonly record: StoredRecord;
  readonly message: Message;
  attempt: number;
  readonly deaths = 0;
  readonly firstFailedAt: number;
  readonly leaving: AbortSignal;
  readonly lost: AbortSignal;

  constructor(record: StoredRecord, received: Received, { leaving, lost }: Hold, takenAt: number) {
    this.record = record;
    this.message = received.message;
    this.attempt = received.attempt;
    this.firstFailedAt = received.firstFailedAt ?? takenAt;
    this.leaving = leaving;
    this.lost = lost;
  }

  /** Made for who asks for it. */
  get raw(): unknown {
    return this.record.raw;
  }
}

/** A subscription's dealings with one record after the other. */
export interface SubscriptionWork {
  /** Where order counts, a record that comes back must come before those behind it. */
  readonly inOrder: boolean;
  /** Hands records to the engine, and carries out what it decides. */
  readonly work: (record: StoredRecord, hold: Hold) => Work;
  /** Returns a record unhandled, behind the others; undefined where it must keep its place. */
  readonly handBack: ((record: StoredRecord) => Promise<void>) | undefined;
}

export function workOn(parts: SubscriptionParts): SubscriptionWork {
  const { owner, subscription, names, handle, publisher, clock, report } = parts;
  // Where order counts, and where nobody but this process has the message, it cannot come back behind others.
  const inPlace = subscription.ordered || names === undefined;

  const send = (record: () => NewRecord): Promise<void> =>
    publisher.send({ record, needs: parts.needs }, parts.abandoned);

  const handBack = inPlace
    ? undefined
    : (record: StoredRecord): Promise<void> => {
        const { message, attempt, firstFailedAt } = read(record, subscription.source, owner);
        const copy = copyForRetry(record, names.retry, { id: message.id, attempt, firstFailedAt });
        return send(() => copy);
      };

  const decide = async (delivery: RecordDelivery): Promise<Settlement> => {
    try {
      return await handle(delivery);
    } catch (error) {
      report({
        type: 'warning',
        message: `the handler of ${parts.what} rejected: message ${delivery.message.id} is returned`,
        error,
      });
      return { type: 'release' };
    }
  };

  const retry = async (delivery: RecordDelivery, delay: number): Promise<End> => {
    const { record, message, attempt, firstFailedAt, leaving } = delivery;
    if (inPlace) {
      await pause(clock, delay, leaving);
      if (leaving.aborted) return 'kept';
      delivery.attempt++;
      return 'again';
    }
    const copy = copyForRetry(record, names.retry, { id: message.id, attempt: attempt + 1, firstFailedAt });
    const due = clock.now() + delay;
    await send(() => {
      const hop = nextHop(due, clock.now());
      if (!hop) return copy;
      return delayed(copy, {
        topic: parts.delays.levels[hop.level]!,
        due,
        until: hop.until,
        to: names.retry,
      });
    });
    return 'done';
  };

  const release = async ({ record, leaving }: RecordDelivery): Promise<End> => {
    if (leaving.aborted) return 'kept';
    if (!handBack) return 'again';
    // Behind the others, so that another process of the group may have it.
    await handBack(record);
    return 'done';
  };

  const carryOut = async (delivery: RecordDelivery, settlement: Settlement): Promise<End> => {
    // Whoever has it now begins with it anew, as no position passes it here: a copy would be one more.
    if (delivery.lost.aborted) return 'kept';
    switch (settlement.type) {
      case 'acknowledge':
        return 'done';
      case 'retry':
        return retry(delivery, settlement.delay);
      case 'release':
        return release(delivery);
      case 'dead-letter': {
        if (names === undefined) return 'done';
        const { record, message, firstFailedAt } = delivery;
        const letter = copyForDeadLetters(record, names.dead, {
          id: message.id,
          failure: settlement.failure,
          attempts: settlement.attempts,
          group: subscription.group,
          firstFailedAt,
        });
        await send(() => letter);
        return 'done';
      }
    }
  };

  const orAgain = async (delivery: RecordDelivery, settlement: Settlement): Promise<End> => {
    const { message, attempt, leaving, lost } = delivery;
    try {
      const end = await carryOut(delivery, settlement);
      if (!lost.aborted) settlement.carriedOut?.();
      return end;
    } catch (error) {
      settlement.carriedOut?.(error);
      if (parts.abandoned.aborted) return 'kept';
      report({
        type: 'settlement-failed',
        settlement: settlement.type,
        subscription: parts.what,
        group: subscription.group,
        messageId: message.id,
        destination: message.destination,
        attempt,
        error,
      });
      await pause(clock, AGAIN_AFTER, leaving);
      return leaving.aborted ? 'kept' : 'again';
    }
  };

  const work = (record: StoredRecord, hold: Hold): Work => {
    const delivery = new RecordDelivery(record, read(record, subscription.source, owner), hold, clock.now());
    return async () => {
      const settlement = await decide(delivery);
      return () => orAgain(delivery, settlement);
    };
  };

  return { work, handBack, inOrder: subscription.ordered };
}
