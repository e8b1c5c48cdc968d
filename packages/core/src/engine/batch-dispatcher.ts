import { AsyncResource } from 'node:async_hooks';
import { setMaxListeners } from 'node:events';
import type { Delivery, Settlement } from '../contract/index.js';
import { BatchContext } from './batch-context.js';
import { causeOf, whileHandling } from './current-message.js';
import type { Dispatcher, DispatcherParts } from './dispatcher.js';
import { createGathering, type Gathered } from './gathering.js';
import { retriesInPlace, type ResolvedBatchOptions } from './handler-options.js';
import { MessageContext } from './message-context.js';
import { createSettling, type Attempt } from './settling.js';
import type { TimeSignal } from './time-limit.js';

interface Entry extends Attempt, Gathered {
  readonly resolve: (settlement: Settlement) => void;
}

/** How one message of a batch ended, where that is known before the batch's own end. */
type Outcome = { readonly failed: false } | { readonly failed: true; readonly error: unknown };

/** Notes how a message ended. */
type Know = (entry: Entry, outcome: Outcome) => undefined;

interface Decoded {
  readonly entry: Entry;
  readonly payload: unknown;
}

const DONE: Outcome = { failed: false };

/**
 * Aborts with either, until `ended` does. Not `AbortSignal.any`: on Node 20 that leaves something behind with a signal
 * that lives as long as a partition does.
 */
function eitherOf(one: AbortSignal, other: AbortSignal, ended: AbortSignal): AbortSignal {
  const controller = new AbortController();
  setMaxListeners(0, one, ended);
  for (const signal of [one, other]) {
    // Where the handler listens is where it hears, be it the broker that says so.
    const abort = AsyncResource.bind(() => controller.abort(signal.reason));
    if (signal.aborted) abort();
    else signal.addEventListener('abort', abort, { once: true, signal: ended });
  }
  return controller.signal;
}

/** The time of a batch, as one of its messages has it, which may be lost before. */
function timeOf(batch: TimeSignal, { lost }: Delivery, ended: AbortSignal): TimeSignal {
  if (!lost) return batch;
  let signal: AbortSignal | undefined;
  return {
    get signal() {
      return (signal ??= eitherOf(batch.signal, lost, ended));
    },
  };
}

/** Gathers deliveries, hands them over together, and settles each by itself. */
export function createBatchDispatcher(
  parts: DispatcherParts,
  { size, wait }: ResolvedBatchOptions,
): Dispatcher {
  const { options, clock, stopping, limited, following } = parts;
  const { group, ordered } = options;
  const settling = createSettling(parts);
  const inPlace = retriesInPlace(options);
  const gathering = createGathering<Entry>(size, wait);
  let { concurrency } = options;
  let sequence = 0;
  let running = 0;
  /** When time alone completes the next batch, and what cancels the wait for it. */
  let timer: { readonly at: number; readonly cancel: () => void } | undefined;

  /** What waits and may not begin any more is returned. One listener for all deliveries that share a signal. */
  function releaseLeaving(): void {
    for (const entry of gathering.remove(({ delivery }) => !settling.mayBegin(delivery)))
      entry.resolve(settling.release(entry));
  }

  stopping.addEventListener('abort', () => {
    timer?.cancel();
    releaseLeaving();
  });

  /**
   * What killed its process goes alone, so that it harms no other. So does a last attempt: nobody is dead-lettered for
   * a batch that failed because of another.
   */
  const goesAlone = ({ deaths }: Delivery, attempt: number): boolean =>
    deaths > 0 || (attempt > 1 && attempt >= options.retry.attempts);

  /** Starts every batch that there is a slot for; the timer brings the next one that time completes. */
  function startBatches(now = clock.now()): void {
    timer?.cancel();
    timer = undefined;
    while (running < concurrency) {
      const next = gathering.next(now);
      if ('batch' in next) {
        void run(next.batch);
        continue;
      }
      const { at } = next;
      if (at === undefined) return;
      // Its time has come whatever the clock says by then, which may have been set back.
      timer = { at, cancel: clock.schedule(() => startBatches(Math.max(at, clock.now())), at - now) };
      return;
    }
  }

  function gather(entry: Entry): void {
    gathering.add(entry);
    // Otherwise no batch can be complete, and the timer comes in time.
    if (entry.alone || gathering.waiting >= size || !timer || timer.at > entry.since + wait) startBatches();
  }

  /** Back among those that wait, in its old place, if it may; answers whether. */
  function again(entry: Entry, attempt: number, since: number): boolean {
    if (!settling.mayBegin(entry.delivery)) return false;
    gathering.add({ ...entry, attempt, since, alone: goesAlone(entry.delivery, attempt) });
    return true;
  }

  /** Without those that are poison, of which that is known now. */
  async function decoded(entries: readonly Entry[], know: Know): Promise<readonly Decoded[]> {
    const all = await Promise.all(
      entries.map(async (entry): Promise<Decoded | undefined> => {
        try {
          return { entry, payload: await settling.payloadOf(entry.delivery) };
        } catch (error) {
          return know(entry, { failed: true, error });
        }
      }),
    );
    return all.filter((each) => each !== undefined);
  }

  async function callHandler(batch: readonly Decoded[], time: TimeSignal, know: Know): Promise<void> {
    const entries = new Map<MessageContext, Entry>();
    const ended = new AbortController();
    for (const { entry } of batch) {
      const { attempt, receivedAt, delivery } = entry;
      const own = timeOf(time, delivery, ended.signal);
      entries.set(new MessageContext(delivery, { group, attempt, receivedAt, time: own }), entry);
    }
    const decide = (message: MessageContext, outcome: Outcome): void => {
      const entry = entries.get(message);
      if (!entry) throw new TypeError('the message is none of this batch: give one of batch.messages');
      know(entry, outcome);
    };
    const context = new BatchContext([...entries.keys()], {
      topic: parts.source,
      group,
      time,
      decisions: {
        done: (message) => decide(message, DONE),
        fail: (message, error) => decide(message, { failed: true, error }),
      },
    });
    const payloads = batch.map(({ payload }) => payload);
    try {
      await whileHandling(causeOf(context.messages), () => parts.invoke(payloads, context));
    } finally {
      ended.abort();
    }
  }

  /**
   * Answers how each message ended; those left out were never handed over, since nothing starts once the subscription
   * stops. Never rejects.
   */
  async function call(entries: readonly Entry[]): Promise<ReadonlyMap<Entry, Outcome>> {
    const outcomes = new Map<Entry, Outcome>();
    let ended = false;
    // What a handler says after its time was up says nothing any more.
    const know: Know = (entry, outcome) => {
      if (!ended) outcomes.set(entry, outcome);
      return undefined;
    };
    const rest = (outcome: Outcome): void => {
      for (const entry of entries) if (!outcomes.has(entry)) know(entry, outcome);
    };
    const run = (): Promise<unknown> =>
      limited(options.timeout, async (time) => {
        const batch = await decoded(entries, know);
        if (stopping.aborted || time.over) return;
        if (batch.length > 0) await callHandler(batch, time, know);
        rest(DONE);
      });
    try {
      await (following && entries.length > 0
        ? following.process({ batch: true, attempts: entries.map((entry) => settling.handling(entry)) }, run)
        : run());
    } catch (error) {
      rest({ failed: true, error });
    }
    ended = true;
    return outcomes;
  }

  function settlementOf(entry: Entry, outcome: Outcome | undefined, began: number): Settlement {
    if (!outcome) return settling.release(entry);
    return outcome.failed
      ? settling.afterFailure(entry, outcome.error, began)
      : settling.handled(entry, began);
  }

  async function run(batch: readonly Entry[]): Promise<void> {
    running += 1;
    try {
      const entries = batch.filter((entry) => {
        const early = settling.beforeHandling(entry);
        if (early) entry.resolve(early);
        return !early;
      });
      const began = clock.now();
      for (const entry of entries) settling.attempted(entry);
      const outcomes = await call(entries);
      const held = new Set<string>();
      for (const entry of entries) {
        const outcome = outcomes.get(entry);
        if (entry.key !== undefined && held.has(entry.key) && outcome && !outcome.failed) {
          // Its turn is behind the one that is tried again, whatever the handler made of it before its turn.
          const released = settling.release(entry);
          if (!again(entry, entry.attempt, clock.now())) entry.resolve(released);
          continue;
        }
        const settlement = settlementOf(entry, outcome, began);
        if (settlement.type !== 'retry' || !inPlace) entry.resolve(settlement);
        else {
          if (entry.key !== undefined) held.add(entry.key);
          const attempt = entry.attempt + 1;
          if (!again(entry, attempt, clock.now() + settlement.delay))
            entry.resolve(settling.release({ ...entry, attempt }));
        }
      }
    } catch (error) {
      // Nothing above is meant to throw; what is settled already stays so. Of the rest it is not known what waits again.
      for (const entry of batch) {
        const settlement = settling.afterDefect(entry, error);
        entry.resolve(inPlace ? { type: 'release' } : settlement);
      }
    }
    gathering.end(batch);
    running -= 1;
    startBatches();
  }

  return {
    resize(batches) {
      concurrency = batches;
      startBatches();
    },
    async handle(delivery) {
      await parts.opening();
      const receivedAt = clock.now();
      const about: Attempt = { delivery, attempt: delivery.attempt, receivedAt };
      if (!settling.mayBegin(delivery)) return settling.release(about);
      delivery.leaving?.addEventListener('abort', releaseLeaving, { once: true });
      return new Promise((resolve) => {
        gather({
          ...about,
          key: ordered ? delivery.message.key : undefined,
          sequence: sequence++,
          alone: goesAlone(delivery, delivery.attempt),
          since: receivedAt,
          resolve,
        });
      });
    },
  };
}
