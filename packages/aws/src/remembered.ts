/** What was found or made once, by name. */
export interface Remembered<Value> {
  /** Those who ask at the same time share one search; what failed is searched for again by the next. */
  ensure(name: string, find: () => Promise<Value>): Promise<Value>;
  /** What `ensure` has answered, and nobody has forgotten since. */
  known(name: string): Value | undefined;
  forget(name: string): void;
}

interface Entry<Value> {
  readonly finding: Promise<Value>;
  /** Once it is found. */
  value?: Value;
}

/** @param most how many names are kept in mind, before all are forgotten */
export function createRemembered<Value>(most = Number.POSITIVE_INFINITY): Remembered<Value> {
  const entries = new Map<string, Entry<Value>>();
  return {
    ensure(name, find) {
      const known = entries.get(name);
      if (known) return known.finding;
      const finding = find();
      const entry: Entry<Value> = { finding };
      finding.then(
        (value) => (entry.value = value),
        () => entries.delete(name),
      );
      if (entries.size >= most) entries.clear();
      entries.set(name, entry);
      return finding;
    },
    known: (name) => entries.get(name)?.value,
    forget: (name) => void entries.delete(name),
  };
}
