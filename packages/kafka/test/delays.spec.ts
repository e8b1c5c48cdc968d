import { describe, expect, it } from '@jest/globals';
import { LEVELS, longestStep, MAX_DELAY, nextHop } from '../src/delays.js';

/** The same numbers each time. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

interface Waiting {
  readonly id: number;
  readonly start: number;
  readonly due: number;
  hops: number;
}

/**
 * The levels as topics of one partition, each read in its order, under the hardest rule: whatever stands behind a
 * record leaves after it. Passing on takes some milliseconds.
 */
function simulate(delays: readonly number[], spread: number, passing = 5) {
  const random = seeded(17);
  const levels = Array.from({ length: LEVELS }, () => [] as { record: Waiting; until: number }[]);
  const arrived = new Map<number, { late: number; delay: number; hops: number }>();
  const events: { at: number; act: (now: number) => void }[] = [];
  const schedule = (at: number, act: (now: number) => void): void => {
    // Kept in order; of those at the same time, first come, first served.
    let low = 0;
    let high = events.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (events[middle]!.at > at) low = middle + 1;
      else high = middle;
    }
    events.splice(low, 0, { at, act });
  };
  const enter = (record: Waiting, now: number): void => {
    const hop = nextHop(record.due, now);
    if (!hop) {
      arrived.set(record.id, {
        late: now - record.due,
        delay: record.due - record.start,
        hops: record.hops,
      });
      return;
    }
    record.hops++;
    const line = levels[hop.level]!;
    line.push({ record, until: hop.until });
    if (line.length === 1) schedule(hop.until, (then) => leave(hop.level, then));
  };
  const leave = (level: number, now: number): void => {
    const line = levels[level]!;
    while (line.length > 0 && line[0]!.until <= now) {
      const { record } = line.shift()!;
      schedule(now + passing, (then) => enter(record, then));
    }
    if (line.length > 0) schedule(line[0]!.until, (then) => leave(level, then));
  };
  delays.forEach((delay, id) => {
    const start = Math.floor(random() * spread);
    schedule(start, (now) => enter({ id, start: now, due: now + delay, hops: 0 }, now));
  });
  while (events.length > 0) {
    const { at, act } = events.pop()!;
    act(at);
  }
  return arrived;
}

describe('A delay', () => {
  it('of nothing, or of the past, does not wait', () => {
    expect(nextHop(1_000, 1_000)).toBeUndefined();
    expect(nextHop(999, 1_000)).toBeUndefined();
  });

  it('waits at the longest level that is not longer than what is left', () => {
    const samples = [1, 999, 1_000, 7_999, 8_000, 63_999, 64_000, 3_600_000, 86_400_000, MAX_DELAY];
    expect(samples.map((left) => nextHop(left, 0)!.level)).toEqual([0, 0, 1, 1, 2, 2, 3, 4, 6, 7]);
    for (const left of samples) {
      const { level, until } = nextHop(left, 0)!;
      expect(until).toBeLessThanOrEqual(left);
      expect(until).toBeLessThanOrEqual(longestStep(level));
      expect(until).toBeGreaterThan(0);
    }
  });

  it('of any length up to 7 days takes few hops, and ends neither early nor late', () => {
    const random = seeded(3);
    const lengths = [1, 100, 999, 1_000, 1_001, 300_000, 86_400_000, MAX_DELAY - 1, MAX_DELAY];
    // Of every order of magnitude as many.
    for (let i = 0; i < 2_000; i++) lengths.push(Math.ceil(MAX_DELAY ** random()));
    for (const length of lengths) {
      let [now, hops] = [0, 0];
      for (let hop = nextHop(length, now); hop; hop = nextHop(length, now)) {
        expect(hop.until).toBeGreaterThan(now);
        now = hop.until;
        hops++;
      }
      expect(now).toBe(length);
      expect(hops).toBeLessThanOrEqual(45);
    }
  });

  it.each([0, 10, 60_000])(
    'is held up by no other for more than a tenth of its length or a second, begun within %d ms',
    (spread) => {
      const random = seeded(5);
      const delays = Array.from({ length: 3_000 }, () => Math.ceil(MAX_DELAY ** random()));
      const arrived = simulate(delays, spread);
      expect(arrived.size).toBe(delays.length);
      for (const { late, delay, hops } of arrived.values()) {
        expect(late).toBeGreaterThanOrEqual(0);
        // Passing on takes its own time, at each hop.
        expect(late - hops * 5).toBeLessThanOrEqual(Math.max(1_000, delay / 10));
      }
    },
  );

  it('is not held up by a thousand that are due in a week', () => {
    const arrived = simulate([...Array.from({ length: 1_000 }, () => MAX_DELAY), 300, 9_500, 60_000], 0);
    for (const id of [1_000, 1_001, 1_002]) expect(arrived.get(id)!.late).toBeLessThan(1_000);
  });
});
