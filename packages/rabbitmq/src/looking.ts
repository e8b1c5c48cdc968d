import type { Clock } from '@nest-messaging/core/contract';
import type { Channel, GetMessage, Message as AmqpMessage } from 'amqplib';
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
  /** All goes back, in its order, and the next is the first again. Never rejects. */
  readonly putBack: () => Promise<void>;
}

export interface LookingParts {
  readonly queue: string;
  readonly open: (onClose: (error: Error | undefined) => void) => Promise<Guarded<Channel>>;
  readonly clock: Clock;
}

/** In memory at a time, and held by one consumer. */
const PREFETCH = 100;
/** Consumers of one channel: Erlang keeps the order of so many keys in a map, and of no more. */
const CONSUMERS = 30;
/** Milliseconds without a message, after which the queue is asked whether there is another. */
const QUIET = 1_000;

/**
 * Holds what it looks at: a quorum queue puts what a closed channel held of a consumer back in the order in which it was
 * delivered, however much that is. (What is rejected comes back in disorder, where it is more than 32: commands beyond so
 * many under way are gathered in a map, and so is what is returned together before RabbitMQ 4.) What came back is
 * delivered before what nobody has had, in the order of its return: so a look that is left early takes the rest of that
 * in hand, too, or the next one would begin with it.
 */
export function createLooking({ queue, open, clock }: LookingParts): Looking {
  let channels: Guarded<Channel>[] = [];
  let consumer: { readonly tag: string; readonly number: number; outstanding: number } | undefined;
  /** Got by itself, and not by a consumer. */
  let first: { readonly raw: GetMessage; readonly channel: Channel } | undefined;
  let arrived: Held[] = [];
  let left: number | undefined;
  let last: AmqpMessage | undefined;
  let failure: { readonly error: unknown } | undefined;
  let wake = (): void => undefined;

  const openChannel = async (): Promise<Channel> => {
    const guarded = await open((error) => {
      if (!channels.includes(guarded)) return;
      failure ??= { error: error ?? new Error('the channel is closed') };
      wake();
    });
    channels.push(guarded);
    return guarded.channel;
  };

  /** Only the answer to `basic.get` has a count that is up to date. */
  const begin = async (): Promise<void> => {
    const channel = await openChannel();
    const raw = await channel.get(queue);
    left = raw ? raw.fields.messageCount + 1 : 0;
    if (!raw) return;
    first = { raw, channel };
    arrived.push({
      raw,
      acknowledge() {
        first = undefined;
        channel.ack(raw);
      },
    });
  };

  /** One consumer holds no more than its prefetch: what is behind that goes to another. */
  const consume = async (): Promise<void> => {
    let { channel } = channels.at(-1)!;
    if (consumer) await channel.cancel(consumer.tag);
    const number = (consumer?.number ?? -1) + 1;
    if (number > 0 && number % CONSUMERS === 0) channel = await openChannel();
    await channel.prefetch(PREFETCH);
    const mine = { tag: `look-${String(number % CONSUMERS).padStart(2, '0')}`, number, outstanding: 0 };
    consumer = mine;
    await channel.consume(
      queue,
      (raw) => {
        // The queue was deleted.
        if (!raw) left = 0;
        else {
          mine.outstanding++;
          arrived.push({
            raw,
            acknowledge() {
              mine.outstanding--;
              channel.ack(raw);
            },
          });
        }
        wake();
      },
      { consumerTag: mine.tag },
    );
  };

  /** Answers whether one is there, or may still come. */
  const arrival = async (): Promise<boolean> => {
    await new Promise<void>((resolve) => {
      const cancel = clock.schedule(resolve, QUIET);
      wake = () => {
        cancel();
        resolve();
      };
      if (arrived.length > 0 || failure || left === 0) wake();
    });
    wake = () => undefined;
    if (arrived.length > 0 || failure || left === 0) return true;
    const { channel } = channels.at(-1)!;
    const { messageCount } = await channel.checkQueue(queue);
    return messageCount > 0;
  };

  const next = async (): Promise<Held | undefined> => {
    if (left === undefined) await begin();
    while (left! > 0) {
      const held = arrived.shift();
      if (held) {
        left!--;
        last = held.raw;
        return held;
      }
      if (failure) throw failure.error;
      if (!consumer || consumer.outstanding >= PREFETCH) await consume();
      else if (!(await arrival())) break;
    }
    if (failure) throw failure.error;
    return undefined;
  };

  return {
    next,
    async putBack() {
      try {
        while (last?.fields.redelivered) last = (await next())?.raw;
        // It would take again what goes back.
        if (consumer) await channels.at(-1)!.channel.cancel(consumer.tag);
        if (first) first.channel.nack(first.raw, false, true);
      } catch {
        // The channel is gone, and the broker has taken all back by itself.
      }
      const closing = channels;
      channels = [];
      for (const channel of closing) await channel.close();
      consumer = first = left = last = failure = undefined;
      arrived = [];
    },
  };
}
