import { createBackoff, type Clock } from '@nest-messaging/core/contract';
import { DriverError } from './driver/driver-error.js';
import type { Client, Fetched, FetchLimits, Position } from './driver/driver.js';

/** Fetches what is wanted from whoever leads it, a request at a time for each node. */
export interface Fetching {
  /** What is wanted has changed. */
  wake(): void;
  /** Why nothing comes now; undefined while it does. */
  readonly problem: string | undefined;
  stop(): void;
}

export interface FetchingParts {
  readonly client: Client;
  /**
   * Where to go on in each partition that has room. Whoever has waited longest for records comes first: the broker fills
   * its answer in this order, and the first that has any is alone in being given a batch that is larger than its share (KIP-74).
   */
  readonly wanted: () => readonly Position[];
  /** Others get room soon, and must not wait for those that have nothing. */
  readonly hurried: () => boolean;
  /** What a partition answers, errors of its own included but for those of leadership. */
  readonly received: (fetched: Fetched) => void;
  readonly clock: Clock;
}

/**
 * The broker answers at once when there is something; the wait is how long a partition that gets room meanwhile is left
 * out of the request under way.
 */
const LIMITS: FetchLimits = { maxWait: 500, maxBytes: 8 * 1024 * 1024, maxBytesPerPartition: 512 * 1024 };
const HURRIED: FetchLimits = { ...LIMITS, maxWait: 50 };

/** Who leads what nobody leads, as far as is known. */
const NOBODY = -1;

/** Errors that another look at who leads what mends. */
const LEADERSHIP: ReadonlySet<string> = new Set([
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'UNKNOWN_TOPIC_OR_PARTITION',
  'UNKNOWN_TOPIC_ID',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'REPLICA_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'OFFSET_NOT_AVAILABLE',
]);

export function createFetching({ client, wanted, hurried, received, clock }: FetchingParts): Fetching {
  const ended = new AbortController();
  let leaders = new Map<string, number[]>();
  const loops = new Set<number>();
  let sleeping = new Set<() => void>();
  let looking = false;
  /** Why each node gives nothing, and why it is not known who leads; of those alone who are asked for something. */
  const problems = new Map<number, string>();
  /** What nobody leads, at the second look as at the first: a new leader is chosen within a moment. */
  let leaderless: string | undefined;

  const rouse = (): void => {
    const waking = sleeping;
    sleeping = new Set();
    for (const each of waking) each();
  };

  const wake = (): void => {
    rouse();
    void lead();
  };

  const slept = (): Promise<void> => new Promise((resolve) => sleeping.add(resolve));

  const leaderOf = ({ topic, partition }: Position): number => leaders.get(topic)?.[partition] ?? NOBODY;

  /** Learns who leads what is wanted and unknown, until it is known, and has a loop for each node. */
  const lead = async (): Promise<void> => {
    if (looking) return;
    looking = true;
    const backoff = createBackoff(clock);
    for (let looks = 1; !ended.signal.aborted; looks++) {
      const positions = wanted();
      const nodes = new Set(positions.map(leaderOf));
      for (const node of nodes) if (node >= 0) start(node);
      const unknown = positions.filter((position) => leaderOf(position) < 0);
      if (unknown.length === 0) {
        // Whoever is asked for nothing more gives no answer that would tell that it is well again.
        for (const node of problems.keys()) if (!nodes.has(node)) problems.delete(node);
        break;
      }
      if (looks > 2)
        leaderless = `partition ${unknown[0]!.partition} of '${unknown[0]!.topic}' has no leader, or is deleted`;
      try {
        const found = await client.leaders([...new Set(unknown.map(({ topic }) => topic))]);
        leaders = new Map([...leaders, ...found]);
        problems.delete(NOBODY);
        rouse();
        if (unknown.some((position) => leaderOf(position) < 0)) await backoff.wait(ended.signal);
      } catch (error) {
        problems.set(NOBODY, (error as Error).message);
        await backoff.wait(ended.signal);
      }
    }
    looking = false;
    leaderless = undefined;
  };

  const forget = (topics: Iterable<string>): void => {
    for (const topic of topics) leaders.delete(topic);
  };

  const start = (node: number): void => {
    if (loops.has(node)) return;
    loops.add(node);
    void loop(node).finally(() => loops.delete(node));
  };

  const loop = async (node: number): Promise<void> => {
    const backoff = createBackoff(clock);
    while (!ended.signal.aborted) {
      const positions = wanted().filter((position) => leaderOf(position) === node);
      if (positions.length === 0) {
        await slept();
        continue;
      }
      try {
        const answers = await client.fetch(node, positions, hurried() ? HURRIED : LIMITS);
        if (ended.signal.aborted) return;
        problems.delete(node);
        let moved = false;
        for (const answer of answers) {
          if (answer.error && LEADERSHIP.has(answer.error.code)) {
            forget([answer.topic]);
            moved = true;
          } else received(answer);
        }
        if (moved) {
          await backoff.wait(ended.signal);
          void lead();
        } else backoff.reset();
      } catch (error) {
        if (ended.signal.aborted) return;
        problems.set(node, (error as Error).message);
        forget(positions.map(({ topic }) => topic));
        await backoff.wait(ended.signal);
        void lead();
      }
    }
  };

  return {
    wake,
    get problem() {
      const [problem = leaderless] = problems.values();
      return problem;
    },
    stop() {
      ended.abort();
      wake();
    },
  };
}

/** Milliseconds in which a partition that nobody leads must have a leader; where brokers restart it has one sooner. */
const LED_WITHIN = 10_000;

/**
 * Reads a partition from one offset to another, the latter left out, in its order.
 * @param onLeftOut told from where on there may be records that could not be given
 * @throws {DriverError} also if nobody leads it for 10 s: it was deleted meanwhile, or its brokers are gone
 */
export async function* readRange(
  client: Client,
  from: Position,
  to: number,
  clock: Clock,
  signal: AbortSignal,
  onLeftOut: (offset: number) => void = () => {},
): AsyncGenerator<Fetched['records'][number]> {
  const backoff = createBackoff(clock);
  const { topic, partition } = from;
  let offset = from.offset;
  let node = NOBODY;
  let there = true;
  /** Since when nobody has led it. */
  let since: number | undefined;
  while (offset < to) {
    signal.throwIfAborted();
    if (node < 0) {
      const leading = (await client.leaders([topic])).get(topic);
      there = leading !== undefined;
      node = leading?.[partition] ?? NOBODY;
    }
    const [answer] = node < 0 ? [] : await client.fetch(node, [{ topic, partition, offset }], LIMITS);
    if (!answer || (answer.error && LEADERSHIP.has(answer.error.code))) {
      node = NOBODY;
      since ??= clock.now();
      if (clock.now() - since >= LED_WITHIN) throw missing(from, there, answer?.error);
      await backoff.wait(signal);
      continue;
    }
    since = undefined;
    backoff.reset();
    if (answer.error?.code === 'OFFSET_OUT_OF_RANGE') {
      const earliest = (await client.offsets(topic, 'earliest'))[partition] ?? 0;
      if (earliest <= offset) throw answer.error;
      // Deleted meanwhile, by another who reads the same.
      offset = earliest;
      continue;
    }
    if (answer.error) throw answer.error;
    if (answer.passedOver?.length) onLeftOut(offset);
    for (const record of answer.records) if (record.offset < to) yield record;
    // Nothing came and nothing was passed: what is left is not to be seen yet, as a transaction under way, or what a new
    // leader does not know yet to be on all replicas.
    if (answer.next <= offset) return onLeftOut(offset);
    offset = answer.next;
  }
}

const missing = ({ topic, partition }: Position, there: boolean, cause?: DriverError): DriverError =>
  new DriverError(
    'LEADER_NOT_AVAILABLE',
    there ? `partition ${partition} of '${topic}' has no leader` : `topic '${topic}' is not there any more`,
    { retryable: true, cause },
  );
