import {
  UnsupportedError,
  type DeadLetters,
  type SubscriptionId,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { Channel, ChannelModel, GetMessage } from 'amqplib';
import { openChannel } from './channel.js';
import type { Connection } from './connection.js';
import { copyProperties } from './copy.js';
import { CODE, lostConnection, replyCode } from './errors.js';
import type { Publisher } from './publisher.js';
import { deadQueue, queueName, type Owner } from './topology.js';
import { HEADER, read, readDeadLetter } from './wire.js';

export interface DeadLettersParts {
  readonly owner: Owner;
  readonly connection: Connection;
  readonly publisher: Publisher;
  readonly report: (event: TransportEvent) => void;
}

/** Redriven and not yet confirmed, at most. */
const WINDOW = 100;

/**
 * Looks through dead letters by getting them without acknowledging, on a channel of its own: what is not settled when
 * that is done goes back to its place, since a quorum queue keeps what was returned before the rest and in order.
 * Each look counts as a delivery, which is why the queue's delivery limit is out of reach.
 */
export function createDeadLetters({ owner, connection, publisher, report }: DeadLettersParts): DeadLetters {
  /** One look at a queue at a time, since what one has in hand another does not see. */
  const looks = new Map<string, Promise<unknown>>();

  const alone = async <T>(queue: string, work: () => Promise<T>): Promise<T> => {
    const before = looks.get(queue) ?? Promise.resolve();
    const mine = before.then(work, work);
    looks.set(queue, mine);
    try {
      return await mine;
    } finally {
      if (looks.get(queue) === mine) looks.delete(queue);
    }
  };

  const current = async (): Promise<ChannelModel> => {
    await connection.open();
    const { model } = connection;
    if (!model) throw lostConnection(connection.address);
    return model;
  };

  /** Calls `work` on the queue of dead letters; answers `none` if there is no such queue. */
  const look = <T>(
    id: SubscriptionId,
    none: T,
    work: (channel: Channel, queue: string, count: number) => Promise<T>,
  ) => {
    const queue = deadQueue(owner, id);
    return alone(queue, async () => {
      const model = await current();
      const guarded = await openChannel(model, report);
      try {
        let count: number;
        try {
          count = (await guarded.channel.checkQueue(queue)).messageCount;
        } catch (error) {
          if (replyCode(error) === CODE.notFound) return none;
          throw error;
        }
        return await work(guarded.channel, queue, count);
      } catch (error) {
        throw connection.model === model ? error : lostConnection(connection.address, error);
      } finally {
        // Said aloud before the channel closes, so that the next look finds everything in its place.
        if (guarded.open) guarded.channel.nackAll(true);
        await guarded.close();
      }
    });
  };

  /** Where a dead letter came from; one that does not say belongs to the subscription's own queue. */
  const homeOf = (raw: GetMessage, id: SubscriptionId): string => {
    const home: unknown = raw.properties.headers?.[HEADER.queue];
    if (typeof home === 'string' && home !== '') return home;
    if (id.source.kind === 'queue') return queueName(owner, id.source.name);
    throw new UnsupportedError(
      `message ${read(raw, id.source).message.id} does not say which queue it came from: move it by hand`,
    );
  };

  return {
    list: (id, limit) =>
      look(id, [], async (channel, queue) => {
        const letters = [];
        while (letters.length < limit) {
          const raw = await channel.get(queue);
          if (!raw) break;
          letters.push(readDeadLetter(raw, id.source, id.group));
        }
        return letters;
      }),

    redrive: (id, ids) =>
      look(id, 0, async (channel, queue, count) => {
        const underway = new Set<Promise<void>>();
        const never = new AbortController().signal;
        let redriven = 0;
        let failure: { error: unknown } | undefined;
        const move = async (raw: GetMessage): Promise<void> => {
          try {
            const home = homeOf(raw, id);
            const { message, firstFailedAt: _ } = read(raw, id.source);
            const properties = copyProperties(raw, message.id, {});
            await publisher.send(
              () => ({
                exchange: '',
                routingKey: home,
                body: raw.content,
                properties,
                mandatory: true,
                needs: [],
              }),
              never,
            );
            channel.ack(raw);
            redriven++;
          } catch (error) {
            failure ??= { error };
          }
        };
        // No more than there were: what fails again meanwhile is for another time.
        for (let seen = 0; seen < count && !failure; seen++) {
          const raw = await channel.get(queue);
          if (!raw) break;
          if (ids && !ids.has(read(raw, id.source).message.id)) continue;
          const moving = move(raw).finally(() => underway.delete(moving));
          underway.add(moving);
          if (underway.size >= WINDOW) await Promise.race(underway);
        }
        await Promise.all(underway);
        if (failure) throw failure.error;
        return redriven;
      }),

    purge: (id, ids) =>
      look(id, 0, async (channel, queue, count) => {
        if (!ids) return (await channel.purgeQueue(queue)).messageCount;
        let purged = 0;
        for (let seen = 0; seen < count; seen++) {
          const raw = await channel.get(queue);
          if (!raw) break;
          if (!ids.has(read(raw, id.source).message.id)) continue;
          channel.ack(raw);
          purged++;
        }
        return purged;
      }),
  };
}
