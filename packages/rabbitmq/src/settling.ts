import {
  type Clock,
  type Settlement,
  type Subscription,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { ConsumeMessage } from 'amqplib';
import { copyProperties, deadLetterProperties } from './copy.js';
import { delayExchange, delayRoute, delays } from './delays.js';
import type { Lane } from './feed.js';
import type { Frame, Publisher } from './publisher.js';
import type { Owner, Plan, Resource } from './topology.js';
import type { Properties, Received } from './wire.js';

/** A delivery on its way back to the broker. */
export interface InHand {
  readonly raw: ConsumeMessage;
  readonly received: Received;
  readonly lane: Lane;
  /** From the queue of suspects. */
  readonly suspect: boolean;
  /** Deaths counted so far, this delivery's own included. */
  readonly deaths: number;
  /** When its handler began; 0 until it has. */
  takenAt: number;
}

export interface Settling {
  /** Carries out what was decided. Never rejects: what cannot be carried out is reported, and stays with the broker. */
  settle(inHand: InHand, settlement: Settlement): Promise<void>;
  /** Moves a message to the queue where it is handled alone. Never rejects, as above. */
  suspect(inHand: InHand): Promise<void>;
  /** Waits no more between attempts. */
  hurry(): void;
  /** Gives up the copies that are not confirmed yet: what they were made of stays with the broker. */
  abandon(): void;
}

export interface SettlingParts {
  readonly owner: Owner;
  readonly subscription: Subscription;
  readonly plan: Plan;
  /** For messages to people. */
  readonly what: string;
  readonly publisher: Publisher;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
  /** At the end of this turn; answers whether its channel is there now. `carriedOut` is called once the broker was told. */
  readonly acknowledge: (inHand: InHand, carriedOut?: () => void) => boolean;
  readonly requeue: (inHand: InHand) => boolean;
}

/** What a copy may take; the original stays unsettled, and its slot taken, as long. */
const COPY_WITHIN = 30_000;
/** Milliseconds until a message whose copy could not be made goes back to its queue, from where it comes at once. */
const BACK = { first: 500, most: 10_000 };

/** What `resources` say of one queue. */
const declarationOf = (resources: readonly Resource[], queue: string): Resource[] =>
  resources.filter((resource) => resource.kind === 'queue' && resource.name === queue);

export function createSettling(parts: SettlingParts): Settling {
  const { owner, subscription, plan, what, publisher, clock, report, acknowledge, requeue } = parts;
  const pauses = new Set<() => void>();
  const copies = new Set<AbortController>();
  let hurried = false;
  let failures = 0;

  const pause = (ms: number, { lane }: InHand): Promise<void> =>
    new Promise((resolve) => {
      if (hurried || !lane.alive) return resolve();
      const done = (): void => {
        cancel();
        off();
        pauses.delete(done);
        resolve();
      };
      const cancel = clock.schedule(done, ms);
      const off = lane.onEnd(done);
      pauses.add(done);
    });

  const send = async ({ lane }: InHand, frame: () => Frame): Promise<void> => {
    const controller = new AbortController();
    const giveUp = (why: string) => () => controller.abort(new Error(why));
    const cancel = clock.schedule(giveUp(`the copy was not confirmed within ${COPY_WITHIN} ms`), COPY_WITHIN);
    // The original comes again by itself then: a copy would be one too many.
    const off = lane.onEnd(giveUp('the channel of the original is gone'));
    copies.add(controller);
    try {
      await publisher.send(frame, controller.signal);
    } finally {
      copies.delete(controller);
      cancel();
      off();
    }
  };

  const toQueue = (queue: string, body: Buffer, properties: Properties): Frame => ({
    exchange: '',
    routingKey: queue,
    body,
    properties: { ...properties, mandatory: true },
    needs: declarationOf(plan.resources, queue),
  });

  const later = (queue: string, body: Buffer, properties: Properties, ms: number): Frame => {
    const { top, headers } = delayRoute(ms, 'queue');
    return {
      exchange: delayExchange(owner, top),
      routingKey: queue,
      body,
      properties: { ...properties, mandatory: true, headers: { ...properties.headers, ...headers } },
      needs: delays(owner, top),
    };
  };

  /** Makes a copy, if there is to be one, then lets go of the original: between the two, a crash makes a duplicate and loses nothing. */
  const replace = async (
    inHand: InHand,
    settlement: Settlement,
    copy?: () => Promise<void>,
  ): Promise<void> => {
    const { received, lane } = inHand;
    const { carriedOut } = settlement;
    try {
      if (copy) {
        if (!lane.alive) throw new Error('the channel of the delivery is gone');
        await copy();
      }
      if (!acknowledge(inHand, copy ? undefined : carriedOut))
        throw new Error('the channel of the delivery is gone');
      failures = 0;
      if (copy) carriedOut?.();
    } catch (error) {
      carriedOut?.(error);
      const { message, attempt } = received;
      report({
        type: 'settlement-failed',
        settlement: settlement.type,
        subscription: what,
        group: subscription.group,
        messageId: message.id,
        destination: message.destination,
        attempt,
        error,
      });
      if (!lane.alive) return;
      await pause(Math.min(BACK.most, BACK.first * 2 ** failures++), inHand);
      requeue(inHand);
    }
  };

  const retry = async (inHand: InHand, delay: number): Promise<void> => {
    const { raw, received, lane, suspect, deaths, takenAt } = inHand;
    const properties = copyProperties(raw, received.message.id, {
      attempt: received.attempt + 1,
      deaths: suspect ? deaths : undefined,
      firstFailedAt: received.firstFailedAt ?? takenAt,
    });
    // A queue of this process alone is not among those to which delayed messages return.
    if (!plan.retries && delay > 0) await pause(delay, inHand);
    const due = clock.now() + (plan.retries ? delay : 0);
    await send(inHand, () => {
      const left = due - clock.now();
      return left > 0
        ? later(lane.queue, raw.content, properties, left)
        : toQueue(lane.queue, raw.content, properties);
    });
  };

  return {
    async settle(inHand, settlement) {
      if (settlement.type === 'acknowledge') return replace(inHand, settlement);
      const { raw, received, lane, suspect, deaths, takenAt } = inHand;
      const { id } = received.message;
      switch (settlement.type) {
        case 'retry':
          return replace(inHand, settlement, () => retry(inHand, settlement.delay));
        case 'dead-letter': {
          const { dead } = plan;
          if (dead === undefined) return replace(inHand, settlement);
          const properties = deadLetterProperties(raw, id, {
            failure: settlement.failure,
            attempts: settlement.attempts,
            group: subscription.group,
            queue: plan.queue!,
            firstFailedAt: received.firstFailedAt ?? takenAt,
          });
          return replace(inHand, settlement, () =>
            send(inHand, () => toQueue(dead, raw.content, properties)),
          );
        }
        case 'release': {
          if (!suspect) {
            requeue(inHand);
            settlement.carriedOut?.();
            return;
          }
          // Given back, it would come with one more on its count, which whoever gets it would take for a death.
          const properties = copyProperties(raw, id, {
            attempt: received.attempt,
            deaths,
            firstFailedAt: received.firstFailedAt,
          });
          return replace(inHand, settlement, () =>
            send(inHand, () => toQueue(lane.queue, raw.content, properties)),
          );
        }
      }
    },
    async suspect(inHand) {
      const { raw, received } = inHand;
      const properties = copyProperties(raw, received.message.id, {
        attempt: received.attempt,
        firstFailedAt: received.firstFailedAt,
      });
      await replace(inHand, { type: 'release' }, () =>
        send(inHand, () => toQueue(plan.suspect!, raw.content, properties)),
      );
    },
    hurry() {
      hurried = true;
      for (const done of pauses) done();
    },
    abandon() {
      for (const controller of copies)
        controller.abort(new Error('the transport was closed before the copy was confirmed'));
    },
  };
}
