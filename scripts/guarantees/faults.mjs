import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { table } from './markdown.mjs';

/** @typedef {{ number: number, fault: string, reason?: string }} Outcome `reason`: why it does not apply */
/** @typedef {{ name: string, version: string, outcomes: Outcome[] }} Ground */
/**
 * @typedef {{ name: string, version: string, node: string, date: string, commit: string, seed: number, seconds: number,
 *   disturbances: number, resolved: number, rejected: number, handled: number, deadLettered: number,
 *   duplicates: { [why: string]: number } }} Run
 */

const root = fileURLToPath(new URL('../..', import.meta.url));
const folder = join(root, '.tmp', 'faults');

const COLUMNS = [
  'memory',
  'rabbitmq-3.10',
  'rabbitmq-4.0',
  'kafka-kafkajs',
  'kafka-platformatic',
  'fauxqs',
  'moto',
];

/** What a complete run has shown last, which is part of the repository. */
const KEPT = join(root, 'docs', 'faults.json');

/**
 * What was shown last of each broker: now, where it was run now.
 * @returns {{ [id: string]: Ground }}
 */
export function readFaults() {
  /** @type {{ [id: string]: Ground }} */
  const kept = JSON.parse(readFileSync(KEPT, 'utf8'));
  return Object.fromEntries(
    COLUMNS.flatMap((id) => {
      const file = join(folder, `${id}.json`);
      const ground = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : kept[id];
      return ground ? [[id, ground]] : [];
    }),
  );
}

/** @param {{ [id: string]: Ground }} grounds */
export function keepFaults(grounds) {
  writeFileSync(KEPT, `${JSON.stringify(grounds, undefined, 2)}\n`);
}

/** Major and minor: the last part changes with the machine, and means little. @param {Ground} ground */
const titleOf = ({ name, version }) =>
  name === 'memory' ? name : `${name} ${/^\d+\.\d+/.exec(version)?.[0] ?? version}`;

/** @param {{ [id: string]: Ground }} all */
export function faults(all) {
  const grounds = Object.values(all);
  const reasons = [
    ...new Set(grounds.flatMap(({ outcomes }) => outcomes.flatMap(({ reason }) => reason ?? []))),
  ];
  const shown = [...(grounds[0]?.outcomes ?? [])].sort((a, b) => a.number - b.number);
  const rows = shown.map(({ number, fault }) => [
    `${number}. ${fault}`,
    ...grounds.map(({ name, outcomes }) => {
      const outcome = outcomes.find((one) => one.number === number && one.fault === fault);
      if (!outcome)
        throw new Error(`'${number} ${fault}' was not shown on ${name}: run \`npm run test:faults\``);
      return outcome.reason === undefined ? '✓' : `– <sup>${reasons.indexOf(outcome.reason) + 1}</sup>`;
    }),
  ]);
  return `${table([['', ...grounds.map(titleOf)], ...rows])}

${reasons.map((reason, at) => `${at + 1}. ${reason}`).join('\n')}`;
}

/** The last long runs, which are part of the repository. */
export function randomRuns() {
  /** @type {{ [id: string]: Run }} */
  const runs = JSON.parse(readFileSync(join(root, 'docs', 'random-faults.json'), 'utf8'));
  if (Object.keys(runs).length === 0) return 'None is on record yet.';
  return table([
    [
      '',
      'date',
      'commit',
      'seed',
      'minutes',
      'disturbances',
      'published',
      'refused',
      'handled',
      'dead letters',
      'lost',
      'handled again, after',
    ],
    ...COLUMNS.flatMap((id) => {
      const run = runs[id];
      if (!run) return [];
      const again = Object.entries(run.duplicates).map(([why, count]) => `${why} ${count}`);
      return [
        [
          `${run.name} ${run.version}`,
          run.date,
          run.commit,
          String(run.seed),
          String(Math.round(run.seconds / 60)),
          ...[run.disturbances, run.resolved, run.rejected, run.handled, run.deadLettered].map((count) =>
            count.toLocaleString('en'),
          ),
          '0',
          again.join(', ') || '–',
        ],
      ];
    }),
  ]);
}
