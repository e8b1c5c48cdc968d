import { randomUUID } from 'node:crypto';
import {
  ConnectionError,
  createTurnoverSet,
  describeSubscription,
  TopologyError,
  type Clock,
  type Consumer,
  type DeliveryHandler,
  type HealthPart,
  type Settlement,
  type Subscription,
  type Topology,
  type TransportEvent,
  type TurnoverSet,
} from '@nest-messaging/core/contract';
import type { ChannelModel, ConsumeMessage } from 'amqplib';
import { openChannel } from './channel.js';
import type { Connection } from './connection.js';
import type { Declarations } from './declarations.js';
import { wayBack } from './delays.js';
import { createFeed, type Feed, type Lane } from './feed.js';
import { createGate } from './gate.js';
import type { Publisher } from './publisher.js';
import { createSettling, type InHand } from './settling.js';
import { broadcastQueue, OF_ONE_PROCESS, type Owner, type Plan } from './topology.js';
import { createTurn } from './turn.js';
import { createUnexplained, type Unexplained } from './unexplained.js';
import { read } from './wire.js';

/** A subscription that runs on RabbitMQ. */
export interface RabbitMqConsumer extends Consumer {
  resize(maxUnsettled: number): void;
  health(): HealthPart;
  /** Carries out what is decided already, and returns the rest. Never rejects. */
  abandon(): Promise<void>;
}

export interface ConsumerParts {
  readonly owner: Owner;
  readonly subscription: Subscription;
  readonly plan: Plan;
  readonly handle: DeliveryHandler;
  readonly connection: Connection;
  readonly declarations: Declarations;
  readonly publisher: Publisher;
  readonly taken: Set<string>;
  readonly clock: Clock;
  /** Milliseconds. */
  readonly timeout: number;
  readonly topology: Topology;
  readonly report: (event: TransportEvent) => void;
}

/**
 * Unexplained returns from which on a message is handled alone. One may be a process that was replaced. Where order
 * counts it costs more to be wrong, because a suspect leaves its place.
 */
const SUSPECT_FROM = { unordered: 2, ordered: 5 };
/** What decided settlements may take when the transport closes. */
const CLOSE_WITHIN = 5_000;
/** What the end of a channel may take then: on a connection whose packets vanish it never comes. */
const END_WITHIN = 2_000;

/** @throws {TopologyError | ConnectionError} */
export async function consume(parts: ConsumerParts): Promise<RabbitMqConsumer> {
  const { owner, subscription, plan, handle, connection, declarations, clock, report } = parts;
  const what = describeSubscription(subscription);
  const gate = createGate(subscription.maxUnsettled);
  const turn = plan.turn === 'consumers' ? createTurn(plan.queue!, parts.taken, report) : undefined;
  const suspectFrom = subscription.ordered ? SUSPECT_FROM.ordered : SUSPECT_FROM.unordered;
  const running = createTurnoverSet<Promise<void>>();
  /** Settlements under way, a part of `running`. */
  const settlements = createTurnoverSet<Promise<void>>();
  let leaving = false;
  let stopping: Promise<void> | undefined;
  let abandoning: Promise<void> | undefined;
  let onAbandoned = (): void => undefined;
  const abandoned = new Promise<void>((resolve) => (onAbandoned = resolve));

  const acknowledge = ({ raw, lane }: InHand, carriedOut?: () => void): boolean =>
    lane.acknowledge(raw, carriedOut);
  const requeue = ({ raw, lane, suspect }: InHand): boolean => {
    // A queue with one active consumer activates the next one as soon as this one cancels, before what this one had
    // is back: so it does not cancel, and the end of its channel returns everything at once, in its order.
    if (leaving && plan.turn !== 'any') return true;
    unsettledOf(lane).delete(raw);
    (suspect ? suspectReturns : returns).givenBack(raw);
    return lane.requeue(raw);
  };

  const returns = createUnexplained();
  const suspectReturns = createUnexplained();
  const settling = createSettling({ ...parts, what, acknowledge, requeue });

  const lanes = new WeakMap<Lane, TurnoverSet<ConsumeMessage>>();
  /** What was delivered on this channel; when it ends, all of it was lost with this process alive. */
  const unsettledOf = (lane: Lane, lost?: Unexplained): TurnoverSet<ConsumeMessage> => {
    let unsettled = lanes.get(lane);
    if (!unsettled) {
      const mine = createTurnoverSet<ConsumeMessage>();
      lane.onEnd(() => {
        for (const raw of mine) lost?.givenBack(raw);
      });
      lanes.set(lane, (unsettled = mine));
    }
    return unsettled;
  };

  const decide = async (inHand: InHand): Promise<Settlement> => {
    const { message, attempt, raw } = inHand.received;
    try {
      return await handle({ message, attempt, deaths: inHand.deaths, raw });
    } catch (error) {
      report({
        type: 'warning',
        message: `the handler of ${what} rejected: message ${message.id} is returned`,
        error,
      });
      return { type: 'release' };
    }
  };

  const carryOut = async (work: Promise<void>): Promise<void> => {
    settlements.add(work);
    await work;
    settlements.delete(work);
  };

  const deliver = async (inHand: InHand): Promise<void> => {
    const { raw, received, lane, suspect } = inHand;
    const counts = suspect ? suspectReturns : returns;
    if (!suspect && plan.suspect !== undefined && counts.of(raw) >= suspectFrom) {
      report({
        type: 'warning',
        message: `message ${received.message.id} of ${what} came back ${counts.of(raw)} times unsettled: it may kill its process, and is handled alone from now on`,
      });
      return carryOut(settling.suspect(inHand));
    }
    const entered = gate.enter();
    const exit = typeof entered === 'function' ? entered : await entered;
    if (!exit) return carryOut(settling.settle(inHand, { type: 'release' }));
    if (lane.alive) {
      inHand.takenAt = clock.now();
      const settlement = await decide(inHand);
      await carryOut(settling.settle(inHand, settlement));
    }
    exit();
  };

  const onDelivery =
    (suspect: boolean) =>
    (raw: ConsumeMessage, lane: Lane): void => {
      const counts = suspect ? suspectReturns : returns;
      unsettledOf(lane, counts).add(raw);
      const received = read(raw, subscription.source);
      const deaths = suspect ? received.deaths + counts.of(raw) : 0;
      const work = deliver({ raw, received, lane, suspect, deaths, takenAt: 0 });
      running.add(work);
      void work.then(() => running.delete(work));
    };

  const onAcknowledged =
    (suspect: boolean) =>
    (raw: ConsumeMessage, lane: Lane): void => {
      unsettledOf(lane).delete(raw);
      (suspect ? suspectReturns : returns).forget(raw);
    };

  /** A queue of this process alone goes with its connection, and a name is free again only when the broker noticed. */
  const makeOwnQueue = async (model: ChannelModel): Promise<string> => {
    const queue = broadcastQueue(owner, subscription, randomUUID().slice(0, 8));
    const guarded = await openChannel(model, report);
    try {
      await guarded.channel.assertQueue(queue, OF_ONE_PROCESS);
      await guarded.channel.bindQueue(queue, plan.source!.exchange, plan.source!.key);
      return queue;
    } finally {
      await guarded.close();
    }
  };

  // What is bound must be there before, and what is looked for is best missed first where people know its name.
  const own = plan.resources;
  const ends = wayBack(owner, plan);
  const resources = parts.topology === 'create' ? [...ends, ...own] : [...own, ...ends];

  /** What had been declared when its own turn was over. */
  let declared: number | undefined;
  const prepare = async (model: ChannelModel): Promise<string | undefined> => {
    try {
      await declarations.ensure(model, resources);
    } finally {
      declared ??= declarations.count;
    }
    if (plan.queue === undefined) return makeOwnQueue(model);
    return !turn || (await turn.take(model)) ? plan.queue : undefined;
  };

  const feed = (suspect: boolean): Feed =>
    createFeed({
      connection,
      clock,
      report,
      what: suspect ? `the suspects of ${what}` : what,
      consumerTag: `${owner.service}-${randomUUID().slice(0, 8)}`,
      prefetch: suspect ? 1 : subscription.maxUnsettled,
      prepare: suspect
        ? async (model) => {
            await declarations.ensure(model, resources);
            return plan.suspect;
          }
        : prepare,
      forget: () => declarations.forget(resources),
      onDelivery: onDelivery(suspect),
      onAcknowledged: onAcknowledged(suspect),
    });

  const main = feed(false);
  const feeds = [main, ...(plan.suspect === undefined ? [] : [feed(true)])];
  const troubleNow = (): string | undefined =>
    feeds.map(({ trouble }) => trouble).find((trouble) => trouble !== undefined);

  const endFeeds = async (): Promise<void> => {
    await Promise.all(feeds.map((one) => one.end()));
    await turn?.leave();
  };

  const leave = (): void => {
    leaving = true;
    gate.close();
    settling.hurry();
  };

  const stop = async (): Promise<void> => {
    leave();
    // See `requeue` for why not where there is order.
    if (plan.turn === 'any') await Promise.all(feeds.map((one) => one.cancel()));
    while (running.size > 0) await Promise.all(running);
    await endFeeds();
  };

  const abandon = async (): Promise<void> => {
    leave();
    // What handlers have answered by now is decided.
    await new Promise((resolve) => setImmediate(resolve));
    await within(CLOSE_WITHIN, Promise.all(settlements));
    settling.abandon();
    // Acknowledgements before it reach the broker; where nothing reaches it any more, it is not waited for.
    await within(END_WITHIN, endFeeds());
    onAbandoned();
  };

  const within = async (ms: number, work: Promise<unknown>): Promise<void> => {
    let cancel = (): void => undefined;
    const late = new Promise<void>((resolve) => (cancel = clock.schedule(resolve, ms)));
    await Promise.race([work, late]);
    cancel();
  };

  let cancel = (): void => undefined;
  const late = new Promise<never>((_, reject) => {
    // Declarations take turns, and a queue of a cluster some 10 ms: those of a thousand subscriptions may well take longer
    // than one may, and while they go on nothing is wrong.
    const look = (before?: number): void => {
      const moved = declared ?? declarations.count;
      if (moved !== before) {
        cancel = clock.schedule(() => look(moved), parts.timeout);
        return;
      }
      const trouble = troubleNow();
      reject(
        new ConnectionError(
          `subscribing to ${what} at ${connection.address.shown} took longer than ${parts.timeout} ms${trouble ? `: ${trouble}` : ''}`,
        ),
      );
    };
    look();
  });
  try {
    const started = (async () => {
      for (const one of feeds) await one.start();
    })();
    await Promise.race([started, late]);
  } catch (error) {
    await abandon();
    throw error instanceof TopologyError
      ? new TopologyError(`${what}: ${error.message}`, { cause: error.cause })
      : error;
  } finally {
    cancel();
  }

  return {
    resize(maxUnsettled) {
      gate.resize(maxUnsettled);
      // See `requeue`: of those with one active consumer it would be another process's turn, with all that is in hand here
      // still unsettled. So no more is delivered than at first, of which the gate lets in what may be.
      main.resize(maxUnsettled, plan.turn === 'broker' ? 'next time' : 'now');
    },
    stop() {
      stopping ??= abandoning ?? Promise.race([stop(), abandoned]);
      return stopping;
    },
    abandon() {
      abandoning ??= abandon();
      return abandoning;
    },
    health() {
      const reason = troubleNow();
      return { name: what, ready: reason === undefined, ...(reason === undefined ? {} : { reason }) };
    },
  };
}
