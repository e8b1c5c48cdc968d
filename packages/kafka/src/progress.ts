/** A record that was handed over. */
export interface Handed<Record> {
  readonly offset: number;
  readonly record: Record;
  state: 'in hand' | 'done' | 'kept';
}

/**
 * How far one partition has come. Records are handed over in their order and end in any; the position passes only what
 * is done without a gap, so that a crash repeats but never skips.
 */
export interface Progress<Record> {
  /** The position to keep: everything before it is done. */
  readonly position: number;
  /** How many were handed over so far, and how many of them the position has passed. */
  readonly handed: number;
  readonly passed: number;
  readonly inHand: number;
  hand(offset: number, record: Record): Handed<Record>;
  /** `kept` stays with the broker: the position does not pass it. */
  end(handed: Handed<Record>, how: 'done' | 'kept'): void;
  /** Nothing is handed over up to this offset: what the broker has no records for. */
  skipTo(offset: number): void;
  /** What is kept, in its order; `gap` where something behind it is done, which would be done twice. */
  kept(): { readonly handed: Handed<Record>; readonly gap: boolean }[];
  /** What was kept is handed over once more. */
  handAgain(handed: Handed<Record>): void;
}

export function createProgress<Record>(start: number): Progress<Record> {
  /** In order; those before `first` are passed. */
  let entries: Handed<Record>[] = [];
  let first = 0;
  let next = start;
  let passed = 0;
  let inHand = 0;

  const advance = (): void => {
    while (first < entries.length && entries[first]!.state === 'done') {
      first++;
      passed++;
    }
    // Cut off now and then rather than each time: an array is moved as a whole.
    if (first > 1_024 || first === entries.length) {
      entries = entries.slice(first);
      first = 0;
    }
  };

  return {
    get position() {
      return first < entries.length ? entries[first]!.offset : next;
    },
    get handed() {
      return passed + entries.length - first;
    },
    get passed() {
      return passed;
    },
    get inHand() {
      return inHand;
    },
    hand(offset, record) {
      const handed: Handed<Record> = { offset, record, state: 'in hand' };
      entries.push(handed);
      next = offset + 1;
      inHand++;
      return handed;
    },
    end(handed, how) {
      if (handed.state === 'in hand') inHand--;
      handed.state = how;
      advance();
    },
    skipTo(offset) {
      next = Math.max(next, offset);
    },
    kept() {
      const lastDone = entries.findLastIndex(({ state }) => state === 'done');
      return entries.flatMap((handed, at) =>
        at >= first && handed.state === 'kept' ? [{ handed, gap: at < lastDone }] : [],
      );
    },
    handAgain(handed) {
      handed.state = 'in hand';
      inHand++;
    },
  };
}
