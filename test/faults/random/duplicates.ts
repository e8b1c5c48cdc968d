import type { Said } from '../ledger.js';

/** When something disturbed, by the clock that all processes share (`now`). */
export interface Disturbance {
  readonly what: string;
  readonly from: number;
  readonly to: number;
}

export interface Duplicates {
  /** How many there were, by what explains them. */
  readonly explained: Readonly<Record<string, number>>;
  /** Those that nothing explains, for people to read. */
  readonly unexplained: readonly string[];
}

/**
 * How long something disturbs after its end, in milliseconds: what it left undone shows when a time-out has run, such as
 * the sessions of Kafka's members, 6 s here, once the broker is back.
 */
const ECHO = 10_000;

/**
 * Looks at each success of a message after its first: something must have disturbed between the two, since only then a
 * broker that was told of the first hands a message out again.
 */
export function explainDuplicates(runs: readonly Said[], disturbances: readonly Disturbance[]): Duplicates {
  const first = new Map<string, Said>();
  const explained: Record<string, number> = {};
  const unexplained: string[] = [];
  for (const run of runs) {
    if (run.told !== 'handled') continue;
    const message = `${run.group} ${run.id}`;
    const before = first.get(message);
    if (before === undefined) {
      first.set(message, run);
      continue;
    }
    const why = disturbances.findLast(({ from, to }) => from <= run.at && to + ECHO >= before.at)?.what;
    if (why !== undefined) explained[why] = (explained[why] ?? 0) + 1;
    else
      unexplained.push(
        `${message} at ${Math.round(before.at)} by process ${before.pid}, and at ${Math.round(run.at)} by ${run.pid}`,
      );
  }
  return { explained, unexplained };
}
