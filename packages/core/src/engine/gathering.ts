/** A message that waits for its batch. */
export interface Gathered {
  /** Messages of one key keep their order, and are never in two running batches; without a key nothing holds it. */
  readonly key?: string;
  /** Place in the order of arrival, kept by what comes back. */
  readonly sequence: number;
  /** It shares no batch. */
  readonly alone: boolean;
  /** When it began to wait, in milliseconds since 1970; not before then can it be taken. */
  readonly since: number;
}

/** Makes batches of what waits. Knows no clock: it is told the time. */
export interface Gathering<Entry extends Gathered> {
  readonly waiting: number;
  add(entry: Entry): void;
  /** The next batch, taken out; or when there will be one if nothing else happens. Its keys are taken until `end`. */
  next(now: number): { readonly batch: readonly Entry[] } | { readonly at: number | undefined };
  /** The batch has ended: what of it comes again was added before. */
  end(batch: readonly Entry[]): void;
  /** Takes out of what waits all that are asked for. */
  remove(which: (entry: Entry) => boolean): readonly Entry[];
}

/**
 * A batch is complete with `size` messages, or once its first has waited for `wait` milliseconds. What comes back later
 * than those behind it holds up these if they are of its key.
 */
export function createGathering<Entry extends Gathered>(size: number, wait: number): Gathering<Entry> {
  let waiting: Entry[] = [];
  const taken = new Set<string>();

  function take(batch: readonly Entry[]): { readonly batch: readonly Entry[] } {
    const chosen = new Set(batch);
    waiting = waiting.filter((entry) => !chosen.has(entry));
    for (const { key } of batch) if (key !== undefined) taken.add(key);
    return { batch };
  }

  return {
    get waiting() {
      return waiting.length;
    },
    add(entry) {
      let at = waiting.length;
      while (at > 0 && waiting[at - 1]!.sequence > entry.sequence) at--;
      waiting.splice(at, 0, entry);
    },
    next(now) {
      const held = new Set(taken);
      const chosen: Entry[] = [];
      const keys = new Set<string>();
      let completeAt = Number.POSITIVE_INFINITY;
      let lookAt = Number.POSITIVE_INFINITY;
      for (const entry of waiting) {
        const { key, since } = entry;
        if (key !== undefined && held.has(key)) continue;
        const early = since > now;
        if (early) lookAt = Math.min(lookAt, since);
        if (!early && entry.alone && !(key !== undefined && keys.has(key))) return take([entry]);
        if (early || entry.alone) {
          // Those of its key behind it must not overtake it.
          if (key !== undefined) held.add(key);
          continue;
        }
        chosen.push(entry);
        if (key !== undefined) keys.add(key);
        completeAt = Math.min(completeAt, since + wait);
        if (chosen.length === size) return take(chosen);
      }
      if (completeAt <= now) return take(chosen);
      const at = Math.min(completeAt, lookAt);
      return { at: at === Number.POSITIVE_INFINITY ? undefined : at };
    },
    end(batch) {
      for (const { key } of batch) if (key !== undefined) taken.delete(key);
    },
    remove(which) {
      const removed = waiting.filter(which);
      waiting = waiting.filter((entry) => !which(entry));
      return removed;
    },
  };
}
