import type { TransportEvent } from '@nest-messaging/core/contract';
import type { ChannelModel } from 'amqplib';
import { openChannel } from './channel.js';
import { CODE, replyCode } from './errors.js';
import { turnQueue } from './topology.js';

/**
 * Which of several ordered consumers of one queue may consume, where the queue itself cannot say: it was not made for
 * a single active consumer, because those who send to it do not know how it is handled. (`exclusive` of
 * `basic.consume` would say it too, but quorum queues do not heed it.)
 *
 * An exclusive queue belongs to one connection and ends with it, as the right to consume must.
 */
export interface Turn {
  /** Whether the turn is ours, now or already. */
  take(model: ChannelModel): Promise<boolean>;
  /** Lets the next one have it. Never rejects. */
  leave(): Promise<void>;
}

/** `taken`: the queues whose turn a consumer of the same connection has, which the broker would let have it twice. */
export function createTurn(queue: string, taken: Set<string>, report: (event: TransportEvent) => void): Turn {
  const name = turnQueue(queue);
  let holder: ChannelModel | undefined;

  const onChannel = async (
    model: ChannelModel,
    work: (channel: Awaited<ReturnType<typeof openChannel>>['channel']) => Promise<unknown>,
  ): Promise<void> => {
    const guarded = await openChannel(model, report);
    try {
      await work(guarded.channel);
    } finally {
      await guarded.close();
    }
  };

  return {
    async take(model) {
      if (holder === model) return true;
      if (holder === undefined && taken.has(name)) return false;
      taken.add(name);
      try {
        await onChannel(model, (channel) =>
          channel.assertQueue(name, {
            exclusive: true,
            durable: false,
            arguments: { 'x-queue-type': 'classic' },
          }),
        );
        holder = model;
        return true;
      } catch (error) {
        holder = undefined;
        taken.delete(name);
        if (replyCode(error) === CODE.resourceLocked) return false;
        throw error;
      }
    },
    async leave() {
      if (!holder) return;
      const model = holder;
      holder = undefined;
      try {
        await onChannel(model, (channel) => channel.deleteQueue(name));
      } catch {
        // It went with its connection.
      }
      taken.delete(name);
    },
  };
}
