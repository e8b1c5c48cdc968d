import {
  createBackoff,
  createTurnoverSet,
  whenAborted,
  type Backoff,
  type Clock,
} from '@nest-messaging/core/contract';

/** Gathers what is asked for at the same time into requests of several entries; each settles by itself. */
export interface Batches<Item> {
  /** Resolves or rejects with the entry's own outcome. Once `signal` aborts, rejects with its reason. */
  add(item: Item, signal?: AbortSignal): Promise<void>;
  /** Nothing waits, nothing is on its way. */
  readonly idle: boolean;
  /** Sends what is gathered at once, and resolves when each entry has settled. */
  flush(): Promise<void>;
  /** All that has not settled rejects with `reason`, and is not sent again. */
  abandon(reason: Error): void;
  /** Goes on after a pause. */
  resume(): void;
}

/** What to do about an entry that failed: `again` sends it after a while, `alone` without others, `end` rejects. */
export type Remedy = 'again' | 'alone' | 'end';

export interface BatchesParts<Item> {
  /** Answers for each item in its order: undefined is done. A rejection is everybody's. */
  readonly send: (items: readonly Item[]) => Promise<readonly unknown[]>;
  /** @default all ends */
  readonly remedy?: (error: unknown) => Remedy;
  /** Bytes of an item. @default 0 */
  readonly size?: (item: Item) => number;
  /** Bytes of a request at most. @default no limit */
  readonly bytes?: number;
  /** Items of one lane keep their order; undefined has none. @default undefined */
  readonly lane?: (item: Item) => string | undefined;
  /** While it answers true nothing is sent. @default never */
  readonly paused?: () => boolean;
  /** Milliseconds to wait for others; with 0 each goes alone. */
  readonly linger: number;
  /** Whether what comes while nothing is on its way waits for no more than those of its turn. @default false */
  readonly atOnce?: boolean;
  readonly clock: Clock;
}

/** Entries of a request, everywhere at SNS and SQS. */
const ENTRIES = 10;
/** Requests on their way at a time. */
const AT_A_TIME = 8;
/** The same where each carries one entry. */
const ALONE_AT_A_TIME = 40;

interface Entry<Item> {
  readonly item: Item;
  readonly lane: string | undefined;
  /** It goes into no request with others. */
  alone: boolean;
  /** It failed, and is sent again after a while. */
  rests: boolean;
  backoff: Backoff | undefined;
  readonly signal: AbortSignal | undefined;
  settled: boolean;
  settle(error?: unknown): void;
}

const ENDS = (): Remedy => 'end';

export function createBatches<Item>(parts: BatchesParts<Item>): Batches<Item> {
  const { send, size = () => 0, bytes = Infinity, linger, atOnce = false, clock } = parts;
  const { lane: laneOf = () => undefined, paused = () => false, remedy = ENDS } = parts;
  const most = linger === 0 ? 1 : ENTRIES;
  const atATime = linger === 0 ? ALONE_AT_A_TIME : AT_A_TIME;
  /** In the order they were asked for. */
  const waiting = createTurnoverSet<Entry<Item>>();
  /** Lanes of which something is on its way. */
  const busy = new Set<string>();
  const onIdle = new Set<() => void>();
  const unsettled = createTurnoverSet<Entry<Item>>();
  const abandoned = new AbortController();
  let underway = 0;
  let cancel: (() => void) | undefined;
  let turn: NodeJS.Immediate | undefined;
  let due = false;
  let flushing = false;

  /** The next request; of a lane only what follows on what is done. */
  const next = (): { readonly batch: readonly Entry<Item>[]; readonly full: boolean } => {
    const batch: Entry<Item>[] = [];
    const held = new Set<string>();
    let total = 0;
    for (const entry of waiting) {
      const { lane, item, rests, alone } = entry;
      if (lane !== undefined && (busy.has(lane) || held.has(lane))) continue;
      if (rests || (alone && batch.length > 0)) {
        if (lane !== undefined) held.add(lane);
        continue;
      }
      const more = size(item);
      if (batch.length > 0 && total + more > bytes) return { batch, full: true };
      batch.push(entry);
      total += more;
      if (alone || batch.length === most) return { batch, full: true };
    }
    return { batch, full: false };
  };

  /** Those that failed together are sent again together. */
  const rest = async (entries: readonly Entry<Item>[]): Promise<void> => {
    const backoff = entries.find((entry) => entry.backoff)?.backoff ?? createBackoff(clock);
    for (const entry of entries) Object.assign(entry, { rests: true, backoff });
    await backoff.wait(abandoned.signal, entries[0]!.signal);
    for (const entry of entries) entry.rests = false;
    // They have waited for longer than anybody.
    end();
  };

  const conclude = (batch: readonly Entry<Item>[], errorOf: (at: number) => unknown): void => {
    const back: Entry<Item>[] = [];
    const resting: Entry<Item>[] = [];
    batch.forEach((entry, at) => {
      if (entry.settled) return;
      const error = errorOf(at);
      const what = error === undefined ? 'end' : remedy(error);
      if (what === 'end' || (what === 'alone' && batch.length === 1)) return entry.settle(error);
      back.push(entry);
      if (what === 'alone') entry.alone = true;
      else resting.push(entry);
    });
    // What is sent once more keeps its place before those that came after it.
    if (back.length > 0) waiting.addFirst(back);
    if (resting.length > 0) void rest(resting);
  };

  const request = async (batch: readonly Entry<Item>[]): Promise<void> => {
    underway++;
    for (const entry of batch) {
      waiting.delete(entry);
      if (entry.lane !== undefined) busy.add(entry.lane);
    }
    try {
      const outcomes = await send(batch.map(({ item }) => item));
      conclude(batch, (at) => outcomes[at]);
    } catch (error) {
      conclude(batch, () => error);
    } finally {
      underway--;
      for (const { lane } of batch) if (lane !== undefined) busy.delete(lane);
      pump();
    }
  };

  const tellSettled = (): void => {
    if (unsettled.size > 0) return;
    flushing = false;
    cancel?.();
    cancel = undefined;
    for (const resolve of onIdle) resolve();
    onIdle.clear();
  };

  /** Full requests go at once, and the rest when it has waited. */
  const pump = (): void => {
    while (underway < atATime && waiting.size > 0 && !paused()) {
      const { batch, full } = next();
      if (batch.length === 0) break;
      if (full || due || flushing) void request(batch);
      else return wait();
    }
    if (underway < atATime) due = false;
  };

  const wait = (): void => {
    if (atOnce && underway === 0)
      turn ??= setImmediate(() => {
        turn = undefined;
        end();
      });
    else
      cancel ??= clock.schedule(() => {
        cancel = undefined;
        end();
      }, linger);
  };

  const end = (): void => {
    due = true;
    pump();
  };

  return {
    add(item, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error);
        const entry: Entry<Item> = {
          item,
          lane: laneOf(item),
          alone: false,
          rests: false,
          backoff: undefined,
          signal,
          settled: false,
          settle(error) {
            if (entry.settled) return;
            entry.settled = true;
            unsettled.delete(entry);
            waiting.delete(entry);
            ignore?.();
            if (error === undefined) resolve();
            else reject(error as Error);
            tellSettled();
          },
        };
        const ignore = signal && whenAborted(signal, () => entry.settle(signal.reason));
        waiting.add(entry);
        unsettled.add(entry);
        // Behind one that is on its way it cannot go yet, and many may wait so.
        if (entry.lane === undefined || !busy.has(entry.lane)) pump();
      });
    },
    get idle() {
      return underway === 0 && waiting.size === 0;
    },
    flush() {
      if (unsettled.size === 0) return Promise.resolve();
      flushing = true;
      const done = new Promise<void>((resolve) => onIdle.add(resolve));
      pump();
      return done;
    },
    abandon(reason) {
      for (const entry of unsettled) entry.settle(reason);
      abandoned.abort();
    },
    resume: pump,
  };
}
