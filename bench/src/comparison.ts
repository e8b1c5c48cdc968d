import { METRICS, type Metric } from './metrics.js';
import type { Row } from './run.js';
import { summary, type Summary } from './statistics.js';
import type { Goal } from './goals.js';

/** Rows of one broker. */
type Rows = readonly Row[];

export type Contender = Pick<Row, 'name' | 'safety'>;

export const isOurs = ({ safety }: Contender): boolean => safety === 'ours';

/** Each once, ours first, peers set to equal safety before their defaults. */
export function contenders(rows: Rows): Row[] {
  const order = ['ours', 'equal', 'defaults'];
  const seen = new Map(rows.map((row) => [`${row.name} ${row.safety}`, row]));
  return [...seen.values()].sort((a, b) => order.indexOf(a.safety) - order.indexOf(b.safety));
}

const valid = ({ figures, void: voided }: Row, metric: Metric): number | undefined =>
  voided[metric] === undefined ? figures[metric] : undefined;

const of = (rows: Rows, { name, safety }: Contender, size: number): Rows =>
  rows.filter((row) => row.name === name && row.safety === safety && row.size === size);

export const isVoid = (rows: Rows, who: Contender, metric: Metric, size: number): boolean =>
  of(rows, who, size).some((row) => row.void[metric] !== undefined);

/** Of all rounds; nothing where one of them is void, since then none is to be trusted. */
export function absolute(rows: Rows, who: Contender, metric: Metric, size: number): Summary | undefined {
  if (isVoid(rows, who, metric, size)) return undefined;
  const values = of(rows, who, size).map((row) => valid(row, metric));
  return summary(values.filter((value) => value !== undefined));
}

/** Ours over theirs, round by round, so that what slows a whole round slows both. */
export function ratio(
  rows: Rows,
  ours: Contender,
  theirs: Contender,
  metric: Metric,
  size: number,
): Summary | undefined {
  if (isVoid(rows, ours, metric, size) || isVoid(rows, theirs, metric, size)) return undefined;
  const pairs = of(rows, ours, size).map((row) => {
    const other = of(rows, theirs, size).find(({ round }) => round === row.round);
    const [mine, its] = [valid(row, metric), other && valid(other, metric)];
    return mine === undefined || its === undefined ? undefined : mine / its;
  });
  return summary(pairs.filter((value) => value !== undefined));
}

/** Which of ours a peer stands beside. */
export function besideOf(rows: Rows, { beside }: Pick<Row, 'beside'>): Row | undefined {
  const all = contenders(rows).filter(isOurs);
  return all.find(({ name }) => name === beside) ?? all[0];
}

export interface Verdict {
  readonly goal: Goal;
  readonly size: number;
  readonly ours: string;
  readonly theirs: string;
  /** Left out where a figure is void or missing. */
  readonly ratio?: Summary;
  readonly met: boolean;
}

export function judge(rows: Rows, goal: Goal): Verdict[] {
  const sizes = [...new Set(rows.map(({ size }) => size))].filter(
    (size) => goal.size === undefined || goal.size === size,
  );
  const names = [goal.against].flat();
  const more = METRICS[goal.metric].better === 'more';
  // What a peer's defaults lose is no match for ours.
  const peers = contenders(rows).filter(({ name, safety }) => names.includes(name) && safety === 'equal');
  return sizes.map((size) => {
    // Whose figure is void may be the best of them: it goes first, and the goal is void with it.
    const best = (row: Row): number => {
      const value = absolute(rows, row, goal.metric, size)?.median;
      if (value === undefined) return Number.POSITIVE_INFINITY;
      return more ? value : -value;
    };
    const theirs = [...peers].sort((a, b) => best(b) - best(a))[0];
    const ours = theirs && besideOf(rows, { beside: goal.ours ?? theirs.beside });
    const found = theirs && ours && ratio(rows, ours, theirs, goal.metric, size);
    return {
      goal,
      size,
      ours: ours?.name ?? '–',
      theirs: theirs?.name ?? names.join(' or '),
      ...(found && { ratio: found }),
      met: found !== undefined && (more ? found.median >= goal.ratio : found.median <= goal.ratio),
    };
  });
}
