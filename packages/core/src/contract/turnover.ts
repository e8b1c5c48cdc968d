/** A set of what comes and goes with each message, in the order in which it came. */
export interface TurnoverSet<Item> extends Iterable<Item> {
  readonly size: number;
  /** Not while it is gone through: what is deleted after that might still come. */
  add(item: Item): void;
  /** Before all that is there. */
  addFirst(first: Iterable<Item>): void;
  /** Answers whether it was there. */
  delete(item: Item): boolean;
  has(item: Item): boolean;
  clear(): void;
}

/** The same, by keys. */
export interface TurnoverMap<Key, Value> extends Iterable<[Key, Value]> {
  readonly size: number;
  get(key: Key): Value | undefined;
  /** As {@link TurnoverSet.add}. */
  set(key: Key, value: Value): void;
  /** Answers whether it was there. */
  delete(key: Key): boolean;
  values(): Iterable<Value>;
}

/**
 * Additions after which a table is left behind, beside four for each that is there, which are copied. Few, since a process may
 * have a thousand subscriptions, each of which adds little to its own.
 */
const RENEWED_AFTER = 16;

/**
 * Whether to leave a table for one of its own. V8 gives a `Set` or a `Map` another table whenever the one it has is full of
 * what was added and deleted, and the old table refers to the new one. An old one that a full garbage collection has promoted
 * is not collected before the next, and so keeps its successor, which the next collection of young garbage promotes: from then
 * on all that was ever held is moved, and stays until the next full collection. A message handled in memory took 17 µs of
 * processor time in place of 10. A `Set` or `Map` that is made anew ends the chain.
 */
const isDue = (added: number, size: number): boolean => added > RENEWED_AFTER + 4 * size;

export function createTurnoverSet<Item>(): TurnoverSet<Item> {
  let items = new Set<Item>();
  let added = 0;
  return {
    get size() {
      return items.size;
    },
    add(item) {
      added += 1;
      if (isDue(added, items.size)) {
        items = new Set(items);
        added = 0;
      }
      items.add(item);
    },
    addFirst(first) {
      items = new Set([...first, ...items]);
      added = 0;
    },
    delete: (item) => items.delete(item),
    has: (item) => items.has(item),
    clear() {
      if (items.size === 0) return;
      items = new Set();
      added = 0;
    },
    [Symbol.iterator]: () => items.values(),
  };
}

export function createTurnoverMap<Key, Value>(): TurnoverMap<Key, Value> {
  let entries = new Map<Key, Value>();
  let added = 0;
  return {
    get size() {
      return entries.size;
    },
    get: (key) => entries.get(key),
    set(key, value) {
      added += 1;
      if (isDue(added, entries.size)) {
        entries = new Map(entries);
        added = 0;
      }
      entries.set(key, value);
    },
    delete: (key) => entries.delete(key),
    values: () => entries.values(),
    [Symbol.iterator]: () => entries.entries(),
  };
}
