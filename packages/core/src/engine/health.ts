import type { Clock, HealthPart, LastError } from '../contract/index.js';

/** What was seen of one part. */
interface Seen {
  readonly state: 'ready' | 'not ready' | 'paused';
  readonly since: number;
  readonly lastError?: LastError;
}

/** Remembers of parts what whoever tells how they are now does not: since when, and what was wrong last. */
export interface HealthMemory {
  /**
   * Answers the parts with what is remembered of them.
   * @param inService whether all of them should be ready: before the start and in the end it is no error if they are not
   */
  look(parts: readonly HealthPart[], inService: boolean): HealthPart[];
}

const stateOf = ({ ready, paused }: HealthPart): Seen['state'] =>
  paused ? 'paused' : ready ? 'ready' : 'not ready';

export function createHealthMemory(clock: Pick<Clock, 'now'>): HealthMemory {
  let known = new Map<string, Seen>();

  function see(part: HealthPart, before: Seen | undefined, inService: boolean): Seen {
    const state = stateOf(part);
    const since = before?.state === state ? before.since : clock.now();
    const message = part.ready || !inService ? undefined : part.reason;
    // The same words in another outage are another error.
    const same = before?.state === 'not ready' && message === before.lastError?.message;
    const lastError = message === undefined || same ? before?.lastError : { message, at: clock.now() };
    return { state, since, lastError };
  }

  return {
    look(parts, inService) {
      const now = new Map<string, Seen>();
      const told = parts.map((part) => {
        // Two broadcasts of one topic are called the same.
        let key = part.name;
        while (now.has(key)) key += '+';
        const seen = see(part, known.get(key), inService);
        now.set(key, seen);
        return { ...part, since: seen.since, ...(seen.lastError && { lastError: seen.lastError }) };
      });
      known = now;
      return told;
    },
  };
}
