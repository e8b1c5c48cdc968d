import { setMaxListeners } from 'node:events';
import { ConnectionError, type Clock } from '@nest-messaging/core/contract';
import type { Channel, ConsumeMessage, GetMessage, Message as AmqpMessage } from 'amqplib';
import type { Guarded } from './channel.js';

/** A message that is looked at, and goes back unless it is acknowledged. */
export interface Held {
  readonly raw: AmqpMessage;
  readonly acknowledge: () => void;
}

/** A look at all that is in a queue, from the first on. */
export interface Looking {
  /** The next of those that were there when it began; undefined behind the last. */
  readonly next: () => Promise<Held | undefined>;
  /**
   * All goes back, in its order, and the next is the first again. Never rejects; answers whether the queue has told that
   * it has every acknowledgement.
   */
  readonly putBack: () => Promise<boolean>;
  /** Aborts, with why, when what is in hand has gone back by itself: nobody may go on with it. */
  readonly lost: AbortSignal;
}

export interface LookingParts {
  readonly queue: string;
  readonly open: (onClose: (error: Error | undefined) => void) => Promise<Guarded<Channel>>;
  readonly clock: Clock;
}

/**
 * Taken in hand by one consumer, and in memory at a time. RabbitMQ before 4 keeps what a consumer returns in an Erlang
 * map, which has an order up to so many keys and none beyond.
 */
const SHARE = 32;
/** Of one channel: when more commands than 32 are under way, it gathers the others in such a map, too. */
const CONSUMERS = 24;
/** Milliseconds without a message, after which the queue is asked whether there is another. */
const QUIET = 1_000;

/** A channel of a look, with what it has in hand. */
interface Hand {
  readonly guarded: Guarded<Channel>;
  readonly channel: Channel;
  /** Delivery tags, in their order. */
  readonly held: Set<number>;
  acknowledged: boolean;
}

/**
 * Takes in hand what it looks at, and returns it in its order: a share from each of few consumers, channel by channel, and
 * said aloud before the channel closes, so that the next look, whoever's it is, finds everything in its place. (What an
 * ended channel still held comes back at some time later.) A consumer is asked for its share and no more, and is gone
 * before anyone has it: what reaches one that is being cancelled goes back at once, and before the others.
 *
 * A channel that is closed drops the acknowledgements that wait behind those 32. Its queue has all of them when it has
 * answered to a `basic.get`.
 *
 * A quorum queue delivers what came back before what nobody has had, in the order of its return: so a look that is left
 * early takes the rest of that in hand, too, or the next would begin with it.
 */
export function createLooking({ queue, open, clock }: LookingParts): Looking {
  let hands: Hand[] = [];
  /** Got by itself, and not by a consumer. */
  let first: GetMessage | undefined;
  let consumers = 0;
  /** In hand, and not asked for yet. */
  let arrived: Held[] = [];
  /** Still in the queue; undefined before the first is asked for. */
  let left: number | undefined;
  let last: AmqpMessage | undefined;
  let failure: { readonly error: unknown } | undefined;
  const lost = new AbortController();
  // All that is moved at a time listens to it.
  setMaxListeners(0, lost.signal);
  let wake = (): void => undefined;

  const openHand = async (): Promise<Hand> => {
    const guarded = await open((error) => {
      if (!hands.includes(hand)) return;
      failure ??= { error: error ?? new ConnectionError('the connection to RabbitMQ was lost') };
      lost.abort(failure.error);
      wake();
    });
    const hand: Hand = { guarded, channel: guarded.channel, held: new Set(), acknowledged: false };
    hands.push(hand);
    return hand;
  };

  const hold = (hand: Hand, raw: AmqpMessage): void => {
    const { deliveryTag } = raw.fields as GetMessage['fields'];
    hand.held.add(deliveryTag);
    last = raw;
    arrived.push({
      raw,
      acknowledge() {
        lost.signal.throwIfAborted();
        hand.channel.ack(raw);
        hand.held.delete(deliveryTag);
        hand.acknowledged = true;
      },
    });
  };

  /** Only the answer to `basic.get` has a count that is up to date. */
  const begin = async (): Promise<void> => {
    const hand = await openHand();
    const raw = await hand.channel.get(queue);
    left = raw ? raw.fields.messageCount : 0;
    if (!raw) return;
    first = raw;
    hold(hand, raw);
  };

  /** Resolves when something has come, or nothing for a while. */
  const quiet = (): Promise<void> =>
    new Promise((resolve) => {
      const cancel = clock.schedule(resolve, QUIET);
      wake = () => {
        cancel();
        resolve();
      };
    });

  /** Takes the next share in hand. */
  const take = async (): Promise<void> => {
    const full = consumers > 0 && consumers % CONSUMERS === 0;
    const hand = full ? await openHand() : hands.at(-1)!;
    const { channel } = hand;
    const share = Math.min(SHARE, left!);
    // In the order of their names they return what they have.
    const consumerTag = `look-${String(consumers++ % CONSUMERS).padStart(2, '0')}`;
    await channel.prefetch(share);
    let taken = 0;
    let deleted = false;
    const onMessage = (raw: ConsumeMessage | null): void => {
      if (raw) {
        taken++;
        hold(hand, raw);
      } else deleted = true;
      wake();
    };
    await channel.consume(queue, onMessage, { consumerTag });
    while (taken < share && !failure && !deleted) {
      const before = taken;
      await quiet();
      // Others have taken them away.
      if (taken === before && !failure && (await channel.checkQueue(queue)).messageCount === 0) break;
    }
    if (failure) throw failure.error;
    if (!deleted) await channel.cancel(consumerTag);
    left = taken < share ? 0 : left! - taken;
  };

  return {
    lost: lost.signal,
    async next() {
      if (left === undefined) await begin();
      if (arrived.length === 0 && left! > 0) await take();
      if (arrived.length === 0 && failure) throw failure.error;
      return arrived.shift();
    },
    async putBack() {
      let told = !hands.some(({ acknowledged }) => acknowledged);
      try {
        while (left! > 0 && last!.fields.redelivered) await take();
        // Of acknowledgements, too, a queue takes 32 at a time, and those that wait are lost with their channel: it has all of
        // them when it answers. What it gives is behind all that is in hand, and goes back last.
        for (const { channel, acknowledged } of hands) if (acknowledged) await channel.get(queue);
        told = true;
        for (const { channel, held } of hands) {
          if (first && held.delete(first.fields.deliveryTag)) channel.nack(first, false, true);
          first = undefined;
          const deliveryTag = [...held].at(-1);
          if (deliveryTag !== undefined) channel.nack({ fields: { deliveryTag } } as GetMessage, true);
          // Answered when the queue has been told.
          await channel.prefetch(SHARE);
        }
      } catch {
        // The channel is gone, and the broker has taken all back by itself.
      }
      const closing = hands;
      hands = [];
      for (const { guarded, channel } of closing) {
        if (guarded.open) channel.nackAll(true);
        await guarded.close();
      }
      first = left = last = failure = undefined;
      consumers = 0;
      arrived = [];
      return told;
    },
  };
}
