import { absolute, besideOf, contenders, isOurs, isVoid, judge, ratio, type Verdict } from './comparison.js';
import type { Breadth } from './contestant.js';
import type { BrokerName } from './contestants/index.js';
import type { Extent } from './extent.js';
import { GOALS } from './goals.js';
import { METRICS, type Metric } from './metrics.js';
import { OWNERS, type Owner, type Profile } from './profile.js';
import type { ProfileRow } from './profiles.js';
import type { Row } from './run.js';
import type { ScaleRow } from './scale.js';
import { summary, type Summary } from './statistics.js';

/** When, with what and of which code something was measured. */
export interface Stamp {
  readonly date: string;
  readonly machine: string;
  readonly node: string;
  /** Of the module. */
  readonly commit: string;
}

/** A part that can be measured anew while the others stay. */
export interface Part<Row> extends Stamp {
  readonly extent: Extent;
  readonly rows: readonly Row[];
}

/** What runs leave beside the plots. */
export interface Results {
  readonly broker: BrokerName;
  /** The broker's name and version. */
  readonly on: string;
  /** Packages measured, with their versions. */
  readonly versions: Readonly<Record<string, string>>;
  readonly comparison: Part<Row>;
  readonly scale?: Part<ScaleRow>;
  readonly profile?: Part<ProfileRow>;
}

export const PARTS = ['comparison', 'scale', 'profile'] as const;

const metrics = Object.keys(METRICS) as Metric[];

const grouped = (value: number): string => value.toLocaleString('en');

/** Three digits that say something, two of what is less than one. */
function short(value: number): string {
  if (value >= 99.95) return grouped(Math.round(value));
  if (value >= 9.995) return value.toFixed(1);
  return value >= 0.995 ? value.toFixed(2) : value.toPrecision(2);
}

const spread = ({ median, least, most }: Summary): string =>
  `${short(median)} <sub>${short(least)}–${short(most)}</sub>`;

const table = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');

/** Metrics that somebody has, of one size: the columns of its table. */
const shown = (rows: readonly Row[], size: number): Metric[] =>
  metrics.filter((metric) => rows.some((row) => row.size === size && row.figures[metric] !== undefined));

function ofSize(rows: readonly Row[], size: number): string {
  const columns = shown(rows, size);
  const all = contenders(rows);
  const titles = columns.map((metric) => METRICS[metric].title);
  const own = all.filter(isOurs).map((ours) => [
    ours.name,
    ...columns.map((metric) => {
      const value = absolute(rows, ours, metric, size);
      if (isVoid(rows, ours, metric, size)) return '**void**';
      return value ? `${spread(value)} ${METRICS[metric].unit}` : '–';
    }),
  ]);
  const others = all
    .filter((row) => !isOurs(row))
    .map((theirs) => {
      const ours = besideOf(rows, theirs);
      const name = theirs.safety === 'equal' ? theirs.name : `${theirs.name} (defaults)`;
      return [
        name,
        ...columns.map((metric) => {
          if (!ours) return '–';
          if (isVoid(rows, ours, metric, size) || isVoid(rows, theirs, metric, size)) return '**void**';
          const value = ratio(rows, ours, theirs, metric, size);
          return value ? spread(value) : '–';
        }),
      ];
    });
  return [
    `### ${grouped(size)} bytes`,
    table(['ours over theirs', ...titles], others),
    table(['ours', ...titles], own),
  ].join('\n\n');
}

/** How far a goal was missed, in percent of it. */
function verdictText({ goal, ratio: found, met }: Verdict): string {
  if (!found) return '**void**';
  return met ? 'met' : `**not met**, by ${short(Math.abs(found.median / goal.ratio - 1) * 100)} %`;
}

function goals(broker: BrokerName, rows: readonly Row[]): string {
  const verdicts = GOALS.filter((goal) => goal.broker === broker).flatMap((goal) => judge(rows, goal));
  return table(
    ['goal: ours over', 'figure', 'bytes', 'wanted', 'found', ''],
    verdicts.map((verdict) => {
      const { goal, ours, theirs, size, ratio: found } = verdict;
      const { title, better } = METRICS[goal.metric];
      return [
        goal.ours === undefined ? theirs : `${theirs} (${ours})`,
        title,
        grouped(size),
        `${better === 'more' ? '≥' : '≤'} ${goal.ratio}`,
        found ? spread(found) : '–',
        verdictText(verdict),
      ];
    }),
  );
}

/** What one of many costs over what the only one does. */
function scales({ rows: scale, extent }: Part<ScaleRow>): string {
  const costOf = (of: Breadth['of'], count: number): Summary | undefined => {
    const rows = scale.filter(({ breadth }) => breadth.of === of && breadth.count === count);
    const values = rows.flatMap(({ cpu }) => (cpu === undefined ? [] : [cpu]));
    return values.length === rows.length ? summary(values) : undefined;
  };
  const rows = (['subscriptions', 'topics'] as const).flatMap((of) => {
    const first = costOf(of, extent.scale[of][0]!);
    return extent.scale[of].map((count) => {
      const cost = costOf(of, count);
      return [
        grouped(count),
        of === 'topics' ? 'topics published to' : 'subscriptions',
        cost ? `${spread(cost)} µs` : '**void**',
        cost && first ? short(cost.median / first.median) : '–',
      ];
    });
  });
  return table(
    ['so many', 'in one process', 'CPU per message, published and handled', 'over the first'],
    rows,
  );
}

const MEASURED = { publish: 'published', consume: 'consumed', endToEnd: 'published and handled' } as const;

/** Microseconds of a message, of each size. */
function whereTimeGoes(broker: BrokerName, { rows: profiles, extent }: Part<ProfileRow>): string {
  const apart = broker !== 'memory';
  const owners = (Object.keys(OWNERS) as Owner[]).filter((owner) =>
    profiles.some(({ profile }) => (profile?.owners[owner] ?? 0) > 0),
  );
  const kinds = [...new Map(profiles.map((row) => [`${row.measured} ${row.name}`, row])).values()];
  return table(
    [
      'µs of a message',
      'Processor time',
      ...owners.map((owner) => OWNERS[owner]),
      ...(apart ? ['Broker'] : []),
    ],
    kinds.map(({ name, measured }) => {
      const ofSizes = (pick: (profile: Profile) => number | undefined): string =>
        extent.sizes
          .map((size) => {
            const found = profiles.find(
              (row) => row.name === name && row.measured === measured && row.size === size,
            );
            const value = found?.profile && pick(found.profile);
            if (!found?.profile) return '**void**';
            return value === undefined ? '–' : value.toFixed(1);
          })
          .join(' · ');
      return [
        `${MEASURED[measured]}, ${name}`,
        ofSizes(({ cpu }) => cpu),
        ...owners.map((owner) => ofSizes((profile) => profile.owners[owner])),
        ...(apart ? [ofSizes(({ others }) => others)] : []),
      ];
    }),
  );
}

const stamped = ({ date, machine, node, commit }: Stamp): string =>
  `${date}, ${machine}, Node ${node}, commit ${commit}.`;

function section({ broker, on, versions, comparison, scale, profile }: Results): string {
  const { extent, rows } = comparison;
  const repeated = new Map<string, number>();
  for (const { name, repeated: count } of rows)
    if (count > 0) repeated.set(name, (repeated.get(name) ?? 0) + count);
  const reasons = [
    ...new Set([
      ...rows.flatMap((row) => Object.values(row.void)),
      ...[...(scale?.rows ?? []), ...(profile?.rows ?? [])].flatMap((row) =>
        row.void === undefined ? [] : [row.void],
      ),
    ]),
  ];
  return [
    `## ${on}`,
    `${stamped(comparison)} ${extent.rounds} rounds, each of ${grouped(extent.publish)} messages published, ` +
      `${grouped(extent.awaited)} awaited one by one, ${grouped(extent.endToEnd)} end to end, and ${grouped(extent.paced)} at a fixed ` +
      `rate of ${grouped(extent.rate)} a second; the first third of each is not counted. ` +
      (broker === 'memory'
        ? 'What is published is handled at once, in the same process: there is no backlog to consume, but one that nobody takes, of the smaller messages, to measure memory with.'
        : 'What is published is the backlog that is consumed, and that memory is measured with.'),
    `![Messages per second](performance/${broker}.svg)`,
    ...extent.sizes.map((size) => ofSize(rows, size)),
    `### Goals`,
    'Each is held at either size, but where it names one.',
    goals(broker, rows),
    ...(scale
      ? [
          '### Scale',
          `${stamped(scale)} ${scale.extent.scale.rounds} rounds of ${grouped(scale.extent.scale.messages)} messages of ${grouped(Math.min(...scale.extent.sizes))} bytes, by the first of ours, to topics${broker === 'aws' ? ': through SNS to SQS' : ''}.`,
          scales(scale),
        ]
      : []),
    ...(profile
      ? [
          '### Where the time goes',
          `${stamped(profile)} Of ${profile.extent.sizes.map(grouped).join(' · ')} bytes, by whose code runs, as V8's profiler samples it; bare clients run the benchmark's own code for JSON and handlers.${broker === 'memory' ? '' : ' The broker is what ran beside the process.'}`,
          whereTimeGoes(broker, profile),
        ]
      : []),
    `### How each is set`,
    contenders(rows)
      .map(({ name, safety, says }) => `- ${name}${safety === 'defaults' ? ' (defaults)' : ''}: ${says}.`)
      .join('\n'),
    ...(repeated.size > 0
      ? [`Handled more than once: ${[...repeated].map(([name, count]) => `${name} ${count}`).join(', ')}.`]
      : []),
    ...(reasons.length > 0 ? [`Void: ${reasons.join('; ')}.`] : []),
    // Each broker's own: they may have been measured on different days.
    `Versions: ${Object.entries(versions)
      .map(([name, version]) => `${name} ${version}`)
      .join(', ')}.`,
  ].join('\n\n');
}

/** The page, of the last results of each broker. */
export const page = (all: readonly Results[]): string =>
  `${[
    '# Performance',
    'Written by `npm run bench`, which runs all contestants side by side, in turn, on brokers of its own on the same ' +
      'machine: [how, and what makes it fair](decisions/0020-benchmarks.md). Figures are **ratios, ours over theirs**: of rates more ' +
      'than 1 is better, of times, processor time and memory less than 1. Each is the median over the rounds, with the ' +
      'least and the most in small print. Processor time is that of the process that is measured, without the broker. ' +
      'In memory, publishing and handling share a process, and what is handled meanwhile counts for both. A figure whose ' +
      'messages were not all counted at the end is void. Why a goal is not met, and what bounds those that are: ' +
      '[what a message costs](decisions/0021-hot-paths.md).',
    ...all.map(section),
  ].join('\n\n')}\n`;
