import {
  ClosedError,
  MessagingError,
  TopologyError,
  type Clock,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { Channel, ChannelModel, ConsumeMessage } from 'amqplib';
import { createAcknowledgements, type Acknowledgements } from './acknowledgements.js';
import { openChannel, type Guarded } from './channel.js';
import type { Connection } from './connection.js';
import { CODE, replyCode, withoutUser } from './errors.js';

/**
 * The life of one channel that delivers. Delivery tags mean something on their own channel only: what outlives it can
 * no longer be settled, and comes again.
 */
export interface Lane {
  readonly queue: string;
  readonly alive: boolean;
  /**
   * At the end of this turn. Answers whether the channel is there now; `carriedOut` is called once the broker was told, and
   * with it whoever made the feed.
   */
  acknowledge(raw: ConsumeMessage, carriedOut?: () => void): boolean;
  /** Gives it back to its queue. Whether it could be told to the broker. */
  requeue(raw: ConsumeMessage): boolean;
  /** Calls back once when it ends. */
  onEnd(callback: () => void): () => void;
}

/** Consumes one queue, through whatever happens to channels, connections and the queue itself. */
export interface Feed {
  /** Resolves when the broker delivers, or another consumer has the turn. */
  start(): Promise<void>;
  /** Why nothing is delivered at present. */
  readonly trouble: string | undefined;
  /**
   * As many as this may be delivered and unsettled, besides what is so already: from now on, or, to keep the consumer that
   * there is, from when the next channel opens.
   */
  resize(prefetch: number, when: 'now' | 'next time'): void;
  /** Takes no more. What was delivered can still be settled. */
  cancel(): Promise<void>;
  /** Closes the channel when all settlements before have reached the broker; it gets back what is unsettled. */
  end(): Promise<void>;
}

export interface FeedParts {
  readonly connection: Connection;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
  /** For messages to people. */
  readonly what: string;
  readonly consumerTag: string;
  readonly prefetch: number;
  /** Sees to it that the queue is there, and answers its name. Undefined: it is another consumer's turn. */
  readonly prepare: (model: ChannelModel) => Promise<string | undefined>;
  /** The queue is gone: what `prepare` saw to has to be seen to again. */
  readonly forget: () => void;
  readonly onDelivery: (raw: ConsumeMessage, lane: Lane) => void;
  /** The broker was told that it is done. */
  readonly onAcknowledged: (raw: ConsumeMessage, lane: Lane) => void;
}

/** Milliseconds between attempts while the connection is there; less by up to a fifth, so that processes spread. */
const AGAIN = { first: 100, most: 5_000 };
/** Milliseconds until a queue is tried again whose use made the broker close the whole connection. */
const BROKEN = 30_000;
/** A channel that lived this long was none of a series of failures. */
const LONG_LIFE = 10_000;
/** AMQP has 16 bits for it. */
const MOST_PREFETCH = 65_535;
/** How often a consumer asks whether it has the turn: what a hand-over may take. */
const TURN_EVERY = 1_000;

function consumeError(queue: string, error: unknown): unknown {
  const cause = withoutUser(error);
  switch (replyCode(error)) {
    case CODE.notFound:
      return new TopologyError(
        `queue '${queue}' does not exist: create it, or let the module do so with topology 'create'`,
        { cause },
      );
    case CODE.accessRefused:
      return new TopologyError(`the user may not consume from queue '${queue}': grant the right to read it`, {
        cause,
      });
  }
  return error;
}

type OnMessage = (raw: ConsumeMessage | null) => void;

/** What consumes on one channel; what is done to it begins when what was done before has ended. */
interface Consuming {
  /** Resolves when the broker delivers. */
  readonly begun: Promise<void>;
  readonly resize: () => void;
  /** Never rejects. */
  readonly cancel: () => Promise<void>;
}

interface OwnLane extends Lane, Pick<Acknowledgements, 'delivered' | 'flush'> {
  readonly end: () => void;
}

export function createFeed(parts: FeedParts): Feed {
  const { connection, clock, report, what, prepare, forget, onDelivery, onAcknowledged } = parts;
  let { prefetch } = parts;
  let state: 'new' | 'running' | 'cancelled' | 'ended' = 'new';
  let trouble: string | undefined = 'not started';
  let guarded: Guarded<Channel> | undefined;
  /** Tells the broker what is done on the present channel. */
  let flush = (): void => undefined;
  let consuming: Consuming | undefined;
  let attempting = false;
  let trying: string | undefined;
  let brokenUntil = 0;
  let failures = 0;
  let wake: (() => void) | undefined;
  let offUp = (): void => undefined;
  let started: { resolve: () => void; reject: (error: unknown) => void } | undefined;

  const over = (): boolean => state === 'cancelled' || state === 'ended';

  const again = (ms: number): void => {
    if (wake || over()) return;
    wake = clock.schedule(() => {
      wake = undefined;
      if (connection.model) void attempt(connection.model);
    }, ms);
  };

  const retreat = (): void => {
    const ms = Math.min(AGAIN.most, AGAIN.first * 2 ** failures++);
    again(ms * (1 - Math.random() / 5));
  };

  const ready = (): void => {
    trouble = undefined;
    started?.resolve();
  };

  const laneOf = (mine: Guarded<Channel>, queue: string): OwnLane => {
    const ends = new Set<() => void>();
    const tell = (send: () => void): boolean => {
      if (!mine.open) return false;
      try {
        send();
        return true;
      } catch {
        // The channel is closing: the message comes again, which is what the answer says.
        return false;
      }
    };
    const acknowledgements = createAcknowledgements({
      channel: mine.channel,
      tell,
      told: (raw) => onAcknowledged(raw, lane),
    });
    const lane: OwnLane = {
      queue,
      get alive() {
        return mine.open;
      },
      delivered: (raw) => acknowledgements.delivered(raw),
      flush: () => acknowledgements.flush(),
      acknowledge(raw, carriedOut) {
        acknowledgements.done(raw, carriedOut);
        return mine.open;
      },
      requeue(raw) {
        acknowledgements.forget(raw);
        return tell(() => mine.channel.nack(raw, false, true));
      },
      onEnd(callback) {
        ends.add(callback);
        return () => ends.delete(callback);
      },
      end() {
        for (const callback of ends) callback();
        ends.clear();
      },
    };
    return lane;
  };

  /**
   * A prefetch count holds for consumers that begin after it was set, so another one begins where it changes, and then the
   * one before ends: what that was delivered can still be settled, since both are on one channel.
   * https://www.rabbitmq.com/docs/consumer-prefetch
   */
  const consumingOn = ({ channel }: Guarded<Channel>, queue: string, onMessage: OnMessage): Consuming => {
    let number = 0;
    let tag: string | undefined;
    const begin = async (): Promise<void> => {
      if (over()) return;
      const before = tag;
      tag = number === 0 ? parts.consumerTag : `${parts.consumerTag}-${number}`;
      number++;
      await channel.prefetch(Math.min(prefetch, MOST_PREFETCH));
      await channel.consume(queue, onMessage, { consumerTag: tag });
      if (before !== undefined) await channel.cancel(before);
    };
    const begun = begin();
    let turn = begun.catch(() => undefined);
    const next = (work: () => Promise<unknown>): Promise<void> => {
      // The channel is gone, and its consumer with it: the next one begins with what is wanted then.
      turn = turn.then(work).then(
        () => undefined,
        () => undefined,
      );
      return turn;
    };
    return {
      begun,
      resize: () => void next(begin),
      cancel: () => next(async () => tag !== undefined && (await channel.cancel(tag))),
    };
  };

  const consume = async (model: ChannelModel, queue: string): Promise<void> => {
    const began = clock.now();
    const mine: Guarded<Channel> = await openChannel(model, report, (error) => {
      lane.end();
      if (guarded === mine) guarded = undefined;
      if (over()) return;
      if (clock.now() - began > LONG_LIFE) failures = 0;
      trouble ??= error ? `the broker closed the channel: ${error.message}` : 'the connection was lost';
      if (error) report({ type: 'warning', message: `${what} was interrupted`, error: withoutUser(error) });
      queueMicrotask(() => {
        if (connection.model === model) retreat();
      });
    });
    const lane = laneOf(mine, queue);
    guarded = mine;
    flush = () => lane.flush();
    const onMessage = (raw: ConsumeMessage | null): void => {
      if (raw) {
        lane.delivered(raw);
        return onDelivery(raw, lane);
      }
      // RabbitMQ cancels a consumer when its queue is deleted or its node goes.
      trouble = `queue '${queue}' was deleted, or its node went down`;
      report({ type: 'warning', message: `${what} was cancelled by the broker: ${trouble}` });
      forget();
      void mine.close();
    };
    consuming = consumingOn(mine, queue, onMessage);
    try {
      await consuming.begun;
    } catch (error) {
      await mine.close();
      throw consumeError(queue, error);
    }
    // Cancelled while it began.
    if (over()) await mine.close();
  };

  const attempt = async (model: ChannelModel): Promise<void> => {
    if (attempting || guarded || over()) return;
    attempting = true;
    let failed = false;
    try {
      const queue = await prepare(model);
      trying = queue;
      if (over()) return;
      if (queue === undefined) {
        again(TURN_EVERY);
        return ready();
      }
      await consume(model, queue);
      if (guarded) ready();
    } catch (error) {
      failed = true;
      trouble = (error as Error).message;
      if (connection.model !== model) {
        // Lost with its connection: the next one calls. Not so if it was this queue that ended it, or it would end the
        // next one too, and with it every other consumer.
        const { protocolError } = connection;
        if (!protocolError?.message.includes(`'${trying}'`)) return;
        trouble = protocolError.message;
        report({
          type: 'warning',
          message: `${what} ended its connection`,
          error: withoutUser(protocolError),
        });
        brokenUntil = clock.now() + BROKEN;
        return;
      }
      if (started && error instanceof MessagingError && !error.retryable) return started.reject(error);
      report({ type: 'warning', message: `${what} cannot consume; trying again`, error });
    } finally {
      attempting = false;
      // Another connection may have come up while this attempt was at the old one.
      if (!guarded && connection.model && connection.model !== model)
        again(Math.max(0, brokenUntil - clock.now()));
      else if (failed && connection.model === model) retreat();
    }
  };

  const leave = (): void => {
    offUp();
    wake?.();
    wake = undefined;
    started?.reject(new ClosedError(`${what} was stopped before it had started`));
  };

  return {
    get trouble() {
      return trouble;
    },
    async start() {
      state = 'running';
      const first = new Promise<void>((resolve, reject) => (started = { resolve, reject }));
      offUp = connection.onUp((model) => {
        wake?.();
        wake = undefined;
        const wait = brokenUntil - clock.now();
        if (wait > 0) again(wait);
        else void attempt(model);
      });
      try {
        await first;
      } finally {
        started = undefined;
      }
    },
    resize(most, when) {
      prefetch = most;
      if (guarded && when === 'now') consuming?.resize();
    },
    async cancel() {
      if (over()) return;
      state = 'cancelled';
      leave();
      if (guarded) await consuming?.cancel();
    },
    async end() {
      if (state === 'ended') return;
      if (state !== 'cancelled') leave();
      state = 'ended';
      flush();
      await guarded?.close();
    },
  };
}
