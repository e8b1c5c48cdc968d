import type { Clock } from '@nest-messaging/core/contract';

/** Gathers what is asked for at the same time into requests of several entries; each settles by itself. */
export interface Batches<Item> {
  /** Resolves or rejects with the entry's own outcome. Once `signal` aborts, rejects with its reason. */
  add(item: Item, signal?: AbortSignal): Promise<void>;
  /** Nothing waits, nothing is on its way. */
  readonly idle: boolean;
  /** Sends what is gathered at once, and resolves when nothing is on its way. */
  flush(): Promise<void>;
}

export interface BatchesParts<Item> {
  /** Answers for each item in its order: undefined is done. A rejection is everybody's. */
  readonly send: (items: readonly Item[]) => Promise<readonly unknown[]>;
  /** Bytes of an item. */
  readonly size: (item: Item) => number;
  /** Bytes of a request at most. */
  readonly bytes: number;
  /** Milliseconds to wait for others. */
  readonly linger: number;
  readonly clock: Clock;
}

/** Entries of a request, everywhere at SNS and SQS. */
const ENTRIES = 10;
/** Requests on their way at a time. */
const AT_A_TIME = 8;

interface Entry<Item> {
  readonly item: Item;
  settle(error?: unknown): void;
}

export function createBatches<Item>({ send, size, bytes, linger, clock }: BatchesParts<Item>): Batches<Item> {
  const waiting = new Set<Entry<Item>>();
  const onIdle = new Set<() => void>();
  let underway = 0;
  let cancel: (() => void) | undefined;
  let due = false;

  const take = (): Entry<Item>[] => {
    const batch: Entry<Item>[] = [];
    let total = 0;
    for (const entry of waiting) {
      const more = size(entry.item);
      if (batch.length > 0 && total + more > bytes) break;
      batch.push(entry);
      waiting.delete(entry);
      total += more;
      if (batch.length === ENTRIES) break;
    }
    return batch;
  };

  const request = async (batch: readonly Entry<Item>[]): Promise<void> => {
    underway++;
    try {
      const outcomes = await send(batch.map(({ item }) => item));
      batch.forEach((entry, at) => entry.settle(outcomes[at]));
    } catch (error) {
      for (const entry of batch) entry.settle(error);
    } finally {
      underway--;
      pump();
      if (underway === 0 && waiting.size === 0) {
        for (const resolve of onIdle) resolve();
        onIdle.clear();
      }
    }
  };

  /** Full requests go at once, and the rest when it has waited. */
  const pump = (): void => {
    while (underway < AT_A_TIME && (waiting.size >= ENTRIES || (due && waiting.size > 0)))
      void request(take());
    if (waiting.size === 0) due = false;
    else if (!due && !cancel)
      cancel = clock.schedule(() => {
        cancel = undefined;
        due = true;
        pump();
      }, linger);
  };

  return {
    add(item, signal) {
      return new Promise((resolve, reject) => {
        if (signal?.aborted) return reject(signal.reason as Error);
        const give = (): void => entry.settle(signal!.reason);
        const entry: Entry<Item> = {
          item,
          settle(error) {
            waiting.delete(entry);
            signal?.removeEventListener('abort', give);
            if (error === undefined) resolve();
            else reject(error as Error);
          },
        };
        signal?.addEventListener('abort', give, { once: true });
        waiting.add(entry);
        if (linger === 0) {
          waiting.delete(entry);
          void request([entry]);
        } else pump();
      });
    },
    get idle() {
      return underway === 0 && waiting.size === 0;
    },
    flush() {
      due = true;
      pump();
      return underway === 0 && waiting.size === 0
        ? Promise.resolve()
        : new Promise((resolve) => onIdle.add(resolve));
    },
  };
}
