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

/** What was done just before or after a disturbance may not have been settled. */
const MARGIN = 5_000;

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
    const why = disturbances.findLast(({ from, to }) => from <= run.at && to >= before.at - MARGIN)?.what;
    if (why !== undefined) explained[why] = (explained[why] ?? 0) + 1;
    else
      unexplained.push(
        `${message} by process ${before.pid}, and ${Math.round(run.at - before.at)} ms later by ${run.pid}`,
      );
  }
  return { explained, unexplained };
}
