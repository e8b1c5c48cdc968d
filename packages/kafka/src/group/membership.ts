import { createBackoff, pause, type Clock } from '@nest-messaging/core/contract';
import { keyOf } from '../driver/by-topic.js';
import { DriverError } from '../driver/driver-error.js';
import type { Client, Membership as Ticket, Partition, Position } from '../driver/driver.js';
import { driverError, groupRefusal } from '../errors.js';
import { assign, type Sharing } from './assign.js';
import {
  decodeAssignment,
  decodeMember,
  encodeAssignment,
  encodeMember,
  PROTOCOL,
  type Member,
} from './protocol.js';

/** Who may read which partitions, and keep positions in them. */
export interface Membership {
  /**
   * Resolves when it has been told for the first time what it has, were it nothing.
   * @throws {DriverError} if it may not join, which waiting does not change, or leaves before it has
   */
  start(): Promise<void>;
  /** Why it is not a member now; undefined while it is. */
  readonly problem: string | undefined;
  /**
   * Answers in the same order: `undefined` is kept.
   * @throws {DriverError} if none could be kept; it is `retryable` where those of partitions that it still has may be
   * kept later
   */
  commit(positions: readonly Position[]): Promise<readonly (DriverError | undefined)[]>;
  /** Gives everything back. What was not finished goes to others. Safe to call twice; never rejects. */
  leave(): Promise<void>;
}

/** What becomes of partitions; called in the order in which it happens. */
export interface Holder {
  /** All that it has now: what it had before goes on, also what was being given up. */
  assigned(partitions: readonly Partition[]): void;
  /** Finishes what is in hand and keeps the positions; resolves when the partition may go, or was assigned again. */
  giveUp(partition: Partition): Promise<void>;
  /** It has none of these any more: others may. Nothing may be committed. */
  lost(partitions: readonly Partition[]): void;
}

export interface MembershipParts {
  readonly client: Client;
  readonly group: string;
  readonly holder: Holder;
  /** The topics it wants to read; asked again in the interval of `discovery`. */
  readonly topics: () => Promise<readonly string[]>;
  readonly sharing: Sharing;
  /** All in milliseconds. */
  readonly sessionTimeout: number;
  readonly rebalanceTimeout: number;
  readonly discovery: number;
  readonly clock: Clock;
  /** Tells what is wrong for longer than a moment. */
  readonly warn: (message: string, error: unknown) => void;
}

/** Often enough that others who join or leave do not wait long: a member learns of it by its heartbeat. */
const HEARTBEATS = { per: 10, atMost: 1_000 };
/** What the last words to the broker may take when it leaves. */
const LEAVE_WITHIN = 1_500;
/** Milliseconds after which what is free already goes to others, while more is being given up. */
const REJOIN_AFTER = 1_000;

/** The broker does not know this member, or not in this generation: others may have what it had. */
const FENCED: ReadonlySet<string> = new Set([
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'FENCED_INSTANCE_ID',
]);

/** More time or another attempt changes nothing. */
const REFUSED: ReadonlySet<string> = new Set([
  'GROUP_AUTHORIZATION_FAILED',
  'TOPIC_AUTHORIZATION_FAILED',
  'INCONSISTENT_GROUP_PROTOCOL',
  'INVALID_SESSION_TIMEOUT',
  'INVALID_GROUP_ID',
]);

const gone = (group: string): DriverError =>
  new DriverError('CLOSED', `consumer group '${group}' was left before it was joined`, { retryable: false });

/**
 * A member of a consumer group, by Kafka's classic protocol, with cooperative rebalancing: while others join and leave,
 * it goes on with what it keeps. The protocol is spoken here, not by the client libraries, because they drop what is in
 * hand when a group rebalances, stop for good after errors that are none of the group's affair, and do not share groups.
 */
export function createMembership(parts: MembershipParts): Membership {
  const { client, group, holder, clock, warn } = parts;
  const ended = new AbortController();
  const owned = new Map<string, Partition>();
  /** Being given up: others get them when it has joined again without them. */
  const leaving = new Map<string, AbortController>();
  let assignedKeys: ReadonlySet<string> = new Set();
  let topics: readonly string[] = [];
  /** Those of them that were not there at the last look. */
  let unseen: readonly string[] = [];
  /** Nor at the one before: a broker that has just come up may not know of all yet. */
  let missing: readonly string[] = [];
  /** For the leader: how many partitions it shared out. */
  let shared: ReadonlyMap<string, number> | undefined;
  let ticket: Ticket = { group, memberId: '', generation: -1 };
  let problem: string | undefined = 'not joined yet';
  let lastBeat = clock.now();
  let running: Promise<void> | undefined;
  let joining: Promise<void> | undefined;
  /** Ends the wait for the next heartbeat. */
  let wake = new AbortController();
  let onNamed = (): void => undefined;
  let joinAgain = false;
  let cancelRejoin: (() => void) | undefined;
  let left: Promise<void> | undefined;

  const rejoin = (): void => {
    cancelRejoin?.();
    cancelRejoin = undefined;
    joinAgain = true;
    wake.abort();
  };

  const fenced = (forget: boolean): void => {
    const all = [...owned.values()];
    owned.clear();
    leaving.clear();
    assignedKeys = new Set();
    ticket = { group, memberId: forget ? '' : ticket.memberId, generation: -1 };
    // The broker may let it wait to join for as long as others finish what they have, and it has nothing meanwhile.
    problem ??= `consumer group '${group}' does not know this process any more; it joins again`;
    if (all.length > 0) holder.lost(all);
  };

  const giveUp = async (partition: Partition): Promise<void> => {
    const key = keyOf(partition);
    const late = new AbortController();
    leaving.set(key, late);
    // Whoever is to have it does not wait for ever: then this one goes on without it, and what is in hand comes twice.
    await Promise.race([
      holder.giveUp(partition),
      pause(clock, parts.rebalanceTimeout, late.signal, ended.signal),
    ]);
    late.abort();
    // Assigned again meanwhile, and perhaps to be given up anew: that is another's to say.
    if (leaving.get(key) !== late) return;
    leaving.delete(key);
    owned.delete(key);
    holder.lost([partition]);
    // One at a time would be many rebalances; all at once would leave those that are free to nobody for as long as the
    // slowest handler runs.
    if (leaving.size === 0) rejoin();
    else cancelRejoin ??= clock.schedule(rejoin, REJOIN_AFTER);
  };

  const take = (partitions: readonly Partition[]): void => {
    assignedKeys = new Set(partitions.map(keyOf));
    for (const one of partitions) {
      const key = keyOf(one);
      leaving.delete(key);
      owned.set(key, one);
    }
    holder.assigned(partitions);
    for (const [key, partition] of owned)
      if (!assignedKeys.has(key) && !leaving.has(key)) void giveUp(partition);
  };

  const shareOut = async (
    members: readonly { readonly memberId: string; readonly metadata: Buffer }[],
  ): Promise<Map<string, Buffer>> => {
    const decoded = new Map<string, Member>(
      members.map(({ memberId, metadata }) => [memberId, decodeMember(metadata)]),
    );
    const wanted = new Set([...decoded.values()].flatMap((member) => member.topics));
    shared = await countPartitions([...wanted]);
    return new Map(
      [...assign(decoded, shared, parts.sharing)].map(([id, list]) => [id, encodeAssignment(list)]),
    );
  };

  const countPartitions = async (of: readonly string[]): Promise<Map<string, number>> => {
    const leaders = await client.leaders(of);
    return new Map([...leaders].map(([topic, list]) => [topic, list.length]));
  };

  const join = async (): Promise<void> => {
    joinAgain = false;
    const metadata = encodeMember({
      topics,
      owned: [...owned.values()],
      generation: ticket.generation,
    });
    const { sessionTimeout, rebalanceTimeout } = parts;
    const joined = await client.join({
      group,
      memberId: ticket.memberId,
      sessionTimeout,
      rebalanceTimeout,
      protocol: PROTOCOL,
      metadata,
      named: (memberId) => {
        ticket = { ...ticket, memberId };
        onNamed();
      },
    });
    const next = { group, memberId: joined.memberId, generation: joined.generation };
    // Kept at once: whatever happens now, it is this member that joins again, or leaves.
    ticket = { ...next, generation: ticket.generation };
    if (ended.signal.aborted) return;
    shared = undefined;
    const assignments =
      joined.members.length > 0 ? await shareOut(joined.members) : new Map<string, Buffer>();
    const mine = decodeAssignment(await client.sync({ ...next, protocol: PROTOCOL }, assignments));
    ticket = next;
    lastBeat = clock.now();
    problem = undefined;
    if (!ended.signal.aborted) take(mine);
  };

  const refused = (error: DriverError): boolean => REFUSED.has(error.code);

  /** For people, who can mend what is refused. */
  const told = (error: DriverError): string =>
    refused(error) ? groupRefusal(group, 'this subscription', error) : error.message;

  /** Stays until it must join again. */
  const stay = async (): Promise<void> => {
    const interval = Math.min(HEARTBEATS.atMost, parts.sessionTimeout / HEARTBEATS.per);
    while (!ended.signal.aborted && !joinAgain) {
      wake = new AbortController();
      await pause(clock, interval, wake.signal, ended.signal);
      if (ended.signal.aborted || joinAgain) return;
      try {
        await client.heartbeat(ticket);
        lastBeat = clock.now();
        problem = undefined;
      } catch (error) {
        const failure = driverError(error);
        const { code } = failure;
        if (code === 'REBALANCE_IN_PROGRESS') return;
        if (FENCED.has(code)) return fenced(code === 'UNKNOWN_MEMBER_ID');
        problem = told(failure);
        // Others have what it had by now, so far as it can know.
        if (clock.now() - lastBeat > parts.sessionTimeout) return fenced(true);
      }
    }
  };

  const run = async (joined: () => void, failed: (error: unknown) => void): Promise<void> => {
    const backoff = createBackoff(clock);
    let warned = false;
    while (!ended.signal.aborted) {
      try {
        topics = await parts.topics();
        await (joining = join());
        if (ended.signal.aborted) return;
        backoff.reset();
        warned = false;
        joined();
      } catch (error) {
        if (ended.signal.aborted) return;
        const failure = driverError(error);
        if (failure.code === 'REBALANCE_IN_PROGRESS') continue;
        if (FENCED.has(failure.code)) {
          fenced(failure.code === 'UNKNOWN_MEMBER_ID');
          continue;
        }
        problem = told(failure);
        if (refused(failure)) {
          failed(failure);
          if (!warned) warn(`consumer group '${group}' refuses this process; trying again`, failure);
          warned = true;
        }
        if (clock.now() - lastBeat > parts.sessionTimeout) fenced(true);
        await backoff.wait(ended.signal);
        continue;
      }
      await stay();
    }
  };

  /** New topics that match a pattern, topics made anew, partitions added. */
  const watch = async (): Promise<void> => {
    for (;;) {
      await pause(clock, parts.discovery, ended.signal);
      if (ended.signal.aborted) return;
      try {
        const now = await parts.topics();
        const counted = await countPartitions([...new Set([...(shared?.keys() ?? []), ...now])]);
        if (ended.signal.aborted) return;
        const changed =
          now.join() !== topics.join() ||
          (shared && [...counted].some(([topic, count]) => shared!.get(topic) !== count));
        topics = now;
        const gone = now.filter((topic) => !counted.has(topic));
        missing = gone.filter((topic) => unseen.includes(topic));
        unseen = gone;
        if (changed) rejoin();
      } catch {
        // Not reached: health tells, and the next time is soon.
      }
    }
  };

  return {
    async start() {
      await new Promise<void>((resolve, reject) => {
        running = run(resolve, reject);
        running.then(() => reject(gone(group)), reject);
      });
      void watch();
    },
    get problem() {
      return problem ?? (missing.length > 0 ? `topic '${missing[0]}' does not exist` : undefined);
    },
    async commit(positions) {
      const outcomes = await client.commit(ticket, positions);
      const fence = outcomes.find((error) => error && FENCED.has(error.code));
      if (!fence) return outcomes;
      // Told by the broker that it is no member: the loop learns of it now rather than at the next heartbeat.
      wake.abort();
      throw new DriverError(fence.code, fence.message, { retryable: true, cause: fence });
    },
    leave() {
      left ??= (async () => {
        ended.abort();
        cancelRejoin?.();
        problem = 'left';
        const late = new AbortController();
        const tooLate = pause(clock, LEAVE_WITHIN, late.signal);
        // One that goes while it joins would be a member all the same, and nobody would be there: the others would wait
        // for it until its session is over. The broker gives it a name at once, even where it lets it wait to join.
        const named = new Promise<void>((resolve) => (onNamed = resolve));
        if (ticket.memberId === '') await Promise.race([joining?.catch(() => undefined), named, tooLate]);
        if (ticket.memberId !== '')
          await Promise.race([client.leave(ticket).catch(() => undefined), tooLate]);
        late.abort();
      })();
      return left;
    },
  };
}
