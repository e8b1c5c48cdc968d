import { setMaxListeners } from 'node:events';
import {
  ConnectionError,
  createTurnstile,
  describeSubscription,
  InvalidMessageError,
  noPosition,
  sendTaken,
  takeOut,
  TopologyError,
  UnsupportedError,
  withinSignal,
  type Browsing,
  type Clock,
  type DeadLetteredMessage,
  type DeadLetterContent,
  type DeadLetterStore,
  type SubscriptionId,
  type Taken,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { Channel, ChannelModel } from 'amqplib';
import { openChannel, type Guarded } from './channel.js';
import type { Connection } from './connection.js';
import { copyProperties, restoredProperties } from './copy.js';
import { CODE, lostConnection, replyCode } from './errors.js';
import { createLooking, type Held, type Looking } from './looking.js';
import type { Frame, Publisher } from './publisher.js';
import { deadBeside, deadQueue, ownQueues, queueName, type Owner } from './topology.js';
import { readDeadLetter } from './wire.js';

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

const never = new AbortController().signal;
// All that is sent at a time listens to it.
setMaxListeners(0, never);

/** A look at a queue of dead letters, under way. */
interface Look extends Looking {
  readonly channel: () => Promise<Channel>;
  readonly queue: string;
  /** What went wrong, for people; undefined if it is that there is no such queue. */
  readonly explain: (error: unknown) => unknown;
  /** Puts back what is left, too. Answers whether the broker has told that what was taken out is gone. */
  readonly end: () => Promise<boolean>;
}

interface Found extends Held {
  readonly letter: DeadLetteredMessage;
}

/**
 * Looks through dead letters by taking them in hand without acknowledging: what is not settled when that is done goes
 * back to its place. Each look counts as a delivery, which is why the queue's delivery limit is out of reach. Nothing can
 * be begun in the middle: what lies before a position is delivered as well, each time.
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
  const turnAt = createTurnstile();
  /** Places that letters were restored to, each with whether it is there. */
  const places = new Map<string, Promise<void>>();

  let connection: Connection | undefined;
  let users = 0;
  let cancelIdle = (): void => undefined;

  const close = async (): Promise<void> => {
    cancelIdle();
    const mine = connection;
    connection = undefined;
    await mine?.close();
  };

  const begin = async (id: SubscriptionId, signal: AbortSignal | undefined): Promise<Look> => {
    const queue = deadQueue(owner, id);
    const endTurn = await turnAt(queue, signal);
    cancelIdle();
    users++;
    const mine = (connection ??= connect());
    let model: ChannelModel | undefined;

    const explain = (error: unknown): unknown => {
      if (replyCode(error) === CODE.notFound) return undefined;
      if (replyCode(error) === CODE.preconditionFailed)
        return new ConnectionError(
          `RabbitMQ took the dead letters in '${queue}' back, because they were looked at for longer than its consumer_timeout: call again`,
          { cause: error },
        );
      return mine.model === model ? error : lostConnection(mine.address, mine.protocolError ?? error);
    };
    const leave = (): void => {
      // The next look makes a new one rather than wait for this one.
      if (!mine.model && connection === mine) void close();
      if (--users === 0) cancelIdle = clock.schedule(() => void close(), IDLE);
      endTurn();
    };

    try {
      await mine.open();
      model = mine.model;
      if (!model) throw lostConnection(mine.address);
    } catch (error) {
      leave();
      throw error;
    }
    const others: Guarded<Channel>[] = [];
    const open = (onClose?: (error: Error | undefined) => void): Promise<Guarded<Channel>> =>
      openChannel(model!, report, onClose);
    const looking = createLooking({ queue, open, clock });
    return {
      ...looking,
      queue,
      explain,
      async channel() {
        const guarded = await open();
        others.push(guarded);
        return guarded.channel;
      },
      async end() {
        const told = await looking.putBack();
        for (const other of others) await other.close();
        leave();
        return told;
      },
    };
  };

  /** Calls `work` on the queue of dead letters; answers `none` if there is no such queue. */
  const look = async <T>(
    id: SubscriptionId,
    none: T,
    work: (look: Look) => Promise<T>,
    signal?: AbortSignal,
  ): Promise<T> => {
    const one = await begin(id, signal);
    const { queue, explain, end } = one;
    let done: T;
    try {
      done = await work(one);
    } catch (error) {
      const why = explain(error);
      await end();
      if (why === undefined) return none;
      throw why;
    }
    if (await end()) return done;
    throw new ConnectionError(
      `the connection to RabbitMQ was lost before it had told that all that was taken out of '${queue}' is gone: some may be there still`,
    );
  };

  /**
   * Each of those that are there now: what comes meanwhile is for another time, or a redriven message that fails again
   * would be seen for ever.
   */
  async function* each(
    { next }: Look,
    id: SubscriptionId,
    signal?: AbortSignal,
  ): AsyncGenerator<Found, void, undefined> {
    for (;;) {
      signal?.throwIfAborted();
      const held = await next();
      if (!held) return;
      yield { ...held, letter: readDeadLetter(held.raw, id) };
    }
  }

  /** Those behind a place: behind its letter, or, where that is gone, those that were set aside later. */
  async function* behind(
    one: Look,
    id: SubscriptionId,
    { after, signal }: Pick<Browsing, 'after' | 'signal'>,
  ): AsyncGenerator<Found, void, undefined> {
    const at = after === undefined ? 0 : timeIn(after);
    let reached = after === undefined;
    for await (const found of each(one, id, signal)) {
      if (reached) yield found;
      else reached = found.letter.position === after;
    }
    if (reached) return;
    await one.putBack();
    for await (const found of each(one, id, signal)) if (timeIn(found.letter.position) > at) yield found;
  }

  async function* lookAt(
    id: SubscriptionId,
    browsing: Browsing,
  ): AsyncGenerator<DeadLetteredMessage, void, undefined> {
    const one = await begin(id, browsing.signal);
    const { explain, end } = one;
    try {
      for await (const { letter } of behind(one, id, browsing))
        if ((await browsing.select?.(letter)) ?? true) yield letter;
    } catch (error) {
      const why = explain(error);
      if (why !== undefined) throw why;
    } finally {
      await end();
    }
  }

  /** Where a dead letter came from; one that does not say belongs to the subscription's own queue. */
  const homeOf = ({ origin }: DeadLetterContent, id: SubscriptionId): string | undefined => {
    if (origin !== undefined && origin !== '') return origin;
    return id.source.kind === 'queue' ? queueName(owner, id.source.name) : undefined;
  };

  const redrivenHome = (letter: DeadLetteredMessage, id: SubscriptionId): string => {
    const home = homeOf(letter, id);
    if (home !== undefined) return home;
    throw new UnsupportedError(
      `message ${letter.message.id} does not say which queue it came from: move it by hand`,
    );
  };

  /** On a channel of its own, which the broker closes where there is none. */
  const isThere = async ({ channel }: Look, queue: string): Promise<boolean> => {
    try {
      await (await channel()).checkQueue(queue);
      return true;
    } catch (error) {
      if (replyCode(error) === CODE.notFound) return false;
      throw error;
    }
  };

  /**
   * A handler's queue may be called anything (`rabbitmq.queue`), and only its process knows how: but not as another
   * subscription's, which has dead letters of its own.
   */
  const checkHome = async (one: Look, id: SubscriptionId, home: string): Promise<void> => {
    const own = ownQueues(owner, id);
    if (own.includes(home)) return;
    const dead = deadBeside(home);
    if (dead !== undefined && !(await isThere(one, dead))) return;
    throw new InvalidMessageError(
      `a dead letter of ${describeSubscription(id)} comes from '${home}', which is ${dead === undefined ? "the module's own" : "another subscription's"}: expected '${own.join("' or '")}', or the queue that its handler names under rabbitmq`,
    );
  };

  const checkDead = async (one: Look, id: SubscriptionId): Promise<void> => {
    if (await isThere(one, one.queue)) return;
    throw new TopologyError(
      `queue '${one.queue}' does not exist: there is nowhere to set aside what is of ${describeSubscription(id)}`,
    );
  };

  /** Both must be there, or what is restored could not be redriven. */
  const checkPlace = (id: SubscriptionId, home: string): Promise<void> =>
    look(id, undefined, async (one) => {
      await checkDead(one, id);
      await checkHome(one, id, home);
      if (!(await isThere(one, home)))
        throw new InvalidMessageError(
          `a dead letter of ${describeSubscription(id)} comes from '${home}', and there is no such queue to redrive it to: expected the queue of its handler`,
        );
    });

  return {
    close,

    check: (id) => look(id, undefined, (one) => checkDead(one, id)),

    async *browse(id, browsing = {}) {
      let { after, limit: left = Number.POSITIVE_INFINITY } = browsing;
      if (left < 1) return;
      for (let again = true; ; again = false) {
        try {
          for await (const letter of lookAt(id, { ...browsing, after })) {
            after = letter.position;
            yield letter;
            if (--left < 1) return;
          }
          return;
        } catch (error) {
          // Looking changes nothing, so it may as well look again, from behind the last: others may have taken those before.
          if (!again || !(error instanceof ConnectionError && error.retryable)) throw error;
        }
      }
    },

    redrive(id, taking = {}) {
      const work = (one: Look): Promise<number> => {
        const homes = new Map<string, Promise<void>>();
        const checked = (home: string): Promise<void> => {
          const checking = homes.get(home) ?? checkHome(one, id, home);
          homes.set(home, checking);
          return checking;
        };
        const move = async ({ raw, letter, acknowledge }: Found): Promise<void> => {
          const home = redrivenHome(letter, id);
          await checked(home);
          const properties = copyProperties(raw, letter.message.id, {});
          const frame = (): Frame => ({
            exchange: '',
            routingKey: home,
            body: raw.content,
            properties: { ...properties, mandatory: true },
            needs: [],
          });
          // What is lost is back among the dead letters: what is not sent yet would only come twice.
          await sendTaken(clock, one.lost, (signal) => publisher.send(frame, signal));
          acknowledge();
        };
        return takeOut(each(one, id), taking, (some) => inTurns(some, move));
      };
      return look(id, 0, work, taking.signal);
    },

    purge(id, taking = {}) {
      const { select, signal, onGone } = taking;
      const work = async (one: Look): Promise<number> => {
        if (!select && !onGone && !signal?.aborted)
          return (await (await one.channel()).purgeQueue(one.queue)).messageCount;
        return takeOut(each(one, id), taking, async (some) => {
          for (const { acknowledge } of some) acknowledge();
          return { gone: some };
        });
      };
      return look(id, 0, work, signal);
    },

    async restore(id, letter, signal = never) {
      signal.throwIfAborted();
      const home = homeOf(letter, id);
      if (home === undefined)
        throw new InvalidMessageError(
          `dead letter ${letter.message.id} does not say which queue it came from: give it an origin, the queue of its handler`,
        );
      const dead = deadQueue(owner, id);
      const place = `${dead} ${home}`;
      const checked = places.get(place) ?? checkPlace(id, home);
      places.set(place, checked);
      checked.catch(() => places.delete(place));
      await withinSignal(checked, signal);
      const properties = restoredProperties(owner, letter, home, clock.now());
      await publisher.send(
        () => ({
          exchange: '',
          routingKey: dead,
          body: Buffer.from(letter.message.body),
          properties: { ...properties, mandatory: true },
          needs: [],
        }),
        signal,
      );
    },
  };
}

/** The time in a position; behind it is the message's id. */
function timeIn(position: string): number {
  const [, at] = /^(\d{1,16})\/./.exec(position) ?? [];
  if (at === undefined) throw noPosition(position);
  return Number(at);
}

/**
 * Moves letters, those of one key one after the other: what is refused for a moment is sent again, and would come behind
 * others that were sent with it. When one fails, those that have not begun stay.
 */
async function inTurns(some: readonly Found[], move: (found: Found) => Promise<void>): Promise<Taken<Found>> {
  const last = new Map<string, Promise<void>>();
  const gone: Found[] = [];
  let failure: { readonly error: unknown } | undefined;
  const one = async (found: Found, before: Promise<void> | undefined): Promise<void> => {
    await before;
    if (failure) return;
    try {
      await move(found);
      gone.push(found);
    } catch (error) {
      failure ??= { error };
    }
  };
  await Promise.all(
    some.map((found) => {
      const { key } = found.letter.message;
      if (key === undefined) return one(found, undefined);
      const moving = one(found, last.get(key));
      last.set(key, moving);
      return moving;
    }),
  );
  return { gone, failure };
}
