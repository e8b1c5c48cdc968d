import {
  ConnectionError,
  UnsupportedError,
  type Clock,
  type DeadLetteredMessage,
  type DeadLetterStore,
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
  /** Makes the connection for looking, each time it is needed after a while. */
  readonly connect: () => Connection;
  readonly clock: Clock;
  readonly publisher: Publisher;
  readonly report: (event: TransportEvent) => void;
}

/** Milliseconds that the connection outlives the last look. */
const IDLE = 5_000;
/** Redriven and not yet confirmed, at most. */
const WINDOW = 100;

/**
 * Looks through dead letters by getting them without acknowledging, on a channel of its own: what is not settled when
 * that is done goes back to its place, since a quorum queue keeps what was returned before the rest and in order.
 * Each look counts as a delivery, which is why the queue's delivery limit is out of reach.
 *
 * On a connection of its own, because RabbitMQ closes not the channel but the connection of a `basic.get` from a quorum
 * queue that is just being deleted, made or moved (541, `noproc`): no consumer shall go with it.
 */
export function createDeadLetters({
  owner,
  connect,
  clock,
  publisher,
  report,
}: DeadLettersParts): DeadLetterStore & { close(): Promise<void> } {
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

  let connection: Connection | undefined;
  let users = 0;
  let cancelIdle = (): void => undefined;

  const use = async <T>(work: (connection: Connection, model: ChannelModel) => Promise<T>): Promise<T> => {
    cancelIdle();
    users++;
    const mine = (connection ??= connect());
    try {
      await mine.open();
      const { model } = mine;
      if (!model) throw lostConnection(mine.address);
      return await work(mine, model);
    } catch (error) {
      // The next look makes a new one rather than wait for this one.
      if (!mine.model && connection === mine) void close();
      throw error;
    } finally {
      if (--users === 0) cancelIdle = clock.schedule(() => void close(), IDLE);
    }
  };

  const close = async (): Promise<void> => {
    cancelIdle();
    const mine = connection;
    connection = undefined;
    await mine?.close();
  };

  /** Calls `work` on the queue of dead letters; answers `none` if there is no such queue. */
  const look = <T>(
    id: SubscriptionId,
    none: T,
    work: (channel: Channel, queue: string) => Promise<T>,
  ): Promise<T> => {
    const queue = deadQueue(owner, id);
    return alone(queue, () =>
      use(async (mine, model) => {
        const guarded = await openChannel(model, report);
        try {
          return await work(guarded.channel, queue);
        } catch (error) {
          if (replyCode(error) === CODE.notFound) return none;
          throw mine.model === model ? error : lostConnection(mine.address, mine.protocolError ?? error);
        } finally {
          // Said aloud before the channel closes, so that the next look finds everything in its place.
          if (guarded.open) guarded.channel.nackAll(true);
          await guarded.close();
        }
      }),
    );
  };

  /**
   * Each of those that are there now: what comes meanwhile is for another time, or a redriven message that fails again
   * would be seen for ever. Only the answer to `basic.get` has a count that is up to date.
   */
  async function* each(channel: Channel, queue: string): AsyncGenerator<GetMessage> {
    let left: number | undefined;
    do {
      const raw = await channel.get(queue);
      if (!raw) return;
      left = left === undefined ? raw.fields.messageCount : left - 1;
      yield raw;
    } while (left > 0);
  }

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
    close,

    async list(id, limit) {
      const once = (): Promise<DeadLetteredMessage[]> =>
        look<DeadLetteredMessage[]>(id, [], async (channel, queue) => {
          const letters: DeadLetteredMessage[] = [];
          if (limit <= 0) return letters;
          for await (const raw of each(channel, queue)) {
            letters.push(readDeadLetter(raw, id.source, id.group));
            if (letters.length >= limit) break;
          }
          return letters;
        });
      try {
        return await once();
      } catch (error) {
        // Looking changes nothing, so it may as well look again.
        if (error instanceof ConnectionError && error.retryable) return await once();
        throw error;
      }
    },

    redrive: (id, ids) =>
      look(id, 0, async (channel, queue) => {
        const underway = new Set<Promise<void>>();
        const never = new AbortController().signal;
        let redriven = 0;
        let failure: { error: unknown } | undefined;
        const move = async (raw: GetMessage): Promise<void> => {
          try {
            const home = homeOf(raw, id);
            const properties = copyProperties(raw, read(raw, id.source).message.id, {});
            await publisher.send(
              () => ({
                exchange: '',
                routingKey: home,
                body: raw.content,
                properties: { ...properties, mandatory: true },
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
        for await (const raw of each(channel, queue)) {
          if (failure) break;
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
      look(id, 0, async (channel, queue) => {
        if (!ids) return (await channel.purgeQueue(queue)).messageCount;
        let purged = 0;
        for await (const raw of each(channel, queue)) {
          if (!ids.has(read(raw, id.source).message.id)) continue;
          channel.ack(raw);
          purged++;
        }
        return purged;
      }),
  };
}
