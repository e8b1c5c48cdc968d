// Delays of any length out of few topics. A level's records all wait the same time, so that none stands behind one
// that is due sooner; what is left of a delay leads to the next level. The shortest level alone waits until each record
// is due, less than the second level's step. docs/decisions/0014-kafka-delays.md

/** Milliseconds that a record waits at each level, at most at the first one; each is eight times the one before. */
const STEPS = [0, 1_000, 8_000, 64_000, 512_000, 4_096_000, 32_768_000, 262_144_000] as const;

export const LEVELS = STEPS.length;
/** Longest delay, in milliseconds. */
export const MAX_DELAY = 7 * 24 * 60 * 60 * 1_000;

/** Milliseconds that a record stays at a level at most. */
export const longestStep = (level: number): number => STEPS[level] || STEPS[1];

export interface Hop {
  readonly level: number;
  /** When it leaves the level, in milliseconds since 1970. */
  readonly until: number;
}

/** Where what is due at `due` waits next; undefined when it is due. */
export function nextHop(due: number, now: number): Hop | undefined {
  const left = due - now;
  if (left <= 0) return undefined;
  const level = STEPS.findLastIndex((step) => step <= left);
  return { level, until: level === 0 ? due : now + STEPS[level]! };
}
