/**
 * `npm run bench -- [memory|rabbitmq|kafka|aws …] [--part comparison|scale|profile …] [--quick]`: the module beside its peers,
 * on brokers of its own. Results and plots go to `docs/performance`, and `docs/performance.md` is written from the last of
 * each broker; of a broker that was compared before, one part can be measured anew. With `--quick` all of it is shown to
 * work, and stays in `.tmp/bench`. A figure that is void fails the run.
 */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { cpus, release, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { startAws } from '../scripts/brokers/aws.mjs';
import { startKafka } from '../scripts/brokers/kafka.mjs';
import { startRabbitmq } from '../scripts/brokers/rabbitmq.mjs';
import { run as runCommand } from '../scripts/brokers/run.mjs';
import { newestMajor, nodeBinary } from '../scripts/runtimes/runtimes.mjs';
import { BROKERS } from './dist/contestants/index.js';
import { judge } from './dist/comparison.js';
import { extentOf } from './dist/extent.js';
import { GOALS } from './dist/goals.js';
import { plot } from './dist/plot.js';
import { profiles } from './dist/profiles.js';
import { page, PARTS } from './dist/report.js';
import { run } from './dist/run.js';
import { scale } from './dist/scale.js';
import { workWith } from './dist/work.js';

/**
 * @typedef {import('./dist/contestants/index.js').BrokerName} BrokerName
 * @typedef {import('./dist/report.js').Results} Results
 * @typedef {{ url: string, on: string, remove: () => Promise<unknown> }} Started
 */

const root = fileURLToPath(new URL('..', import.meta.url));
const say = console.log;

/** @param {string} path */
const json = (path) => JSON.parse(readFileSync(join(root, path), 'utf8'));

/** @type {Record<BrokerName, () => Promise<Started>>} */
const start = {
  memory: async () => ({ url: '', on: 'Memory', remove: async () => {} }),
  async rabbitmq() {
    const broker = await startRabbitmq({ say });
    return { ...broker, on: `RabbitMQ ${(await broker.control('version')).trim()}` };
  },
  async kafka() {
    const broker = await startKafka({ say });
    const version = await broker.control('kafka-topics', '--version');
    return { ...broker, on: `Kafka ${version.trim().split(' ')[0]}` };
  },
  async aws() {
    const emulator = await startAws({ say });
    const { fauxqs } = json('scripts/brokers/aws/fauxqs/package.json').dependencies;
    return { ...emulator, on: `SQS, as fauxqs ${fauxqs} has it` };
  },
};

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    part: { type: 'string', multiple: true, default: [...PARTS] },
    quick: { type: 'boolean', default: false },
  },
});
const unknown = [
  ...positionals.filter((name) => !BROKERS.some((broker) => broker === name)),
  ...values.part.filter((name) => !PARTS.some((part) => part === name)),
];
if (unknown.length > 0) {
  console.error(
    `Unknown: ${unknown.join(', ')}.\nUsage: npm run bench -- [${BROKERS.join('|')} …] [--part ${PARTS.join('|')} …] [--quick]`,
  );
  process.exit(2);
}

const { quick } = values;
const docs = quick ? join(root, '.tmp', 'bench') : join(root, 'docs');
const kept = join(docs, 'performance');
/** @param {BrokerName} broker */
const resultsOf = (broker) => join(kept, `${broker}.json`);
const measured = BROKERS.filter((name) => positionals.length === 0 || positionals.includes(name));
const parts = PARTS.filter((name) => values.part.includes(name));
const alone = parts.includes('comparison') ? [] : measured.filter((broker) => !existsSync(resultsOf(broker)));
if (alone.length > 0) {
  console.error(
    `Not compared yet: ${alone.join(', ')}. Measure that part before, or together with, the others.`,
  );
  process.exit(2);
}

// One of Kafka's clients asks for the newest.
const node = await nodeBinary(newestMajor, say);
mkdirSync(kept, { recursive: true });

/** @type {Started | undefined} */
let running;
for (const [signal, code] of /** @type {const} */ ([
  ['SIGINT', 130],
  ['SIGTERM', 143],
]))
  process.once(signal, () => void Promise.resolve(running?.remove()).finally(() => process.exit(code)));

let whole = true;
for (const broker of measured) for (const part of parts) await measure(broker, part);

/** @type {Results[]} */
const all = BROKERS.map(resultsOf)
  .filter(existsSync)
  .map((file) => JSON.parse(readFileSync(file, 'utf8')));
writeFileSync(join(docs, 'performance.md'), page(all));
for (const results of all) writeFileSync(join(kept, `${results.broker}.svg`), plot(results));
say(`\nWritten: ${join(docs, 'performance.md')}`);
if (!whole) {
  console.error(
    'Some figures are void: messages were lost, a measurement failed, or a goal is against nobody. The lines above and the page say which.',
  );
  process.exitCode = 1;
}

/**
 * Measures one part, and keeps it beside the others.
 * @param {BrokerName} broker
 * @param {typeof PARTS[number]} part
 */
async function measure(broker, part) {
  const file = resultsOf(broker);
  const extent = extentOf(broker, quick);
  const work = workWith(node, extent.limit);
  const before = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : { broker };
  /** @param {unknown[]} rows */
  const asPart = async (rows) => ({ ...(await stamp()), extent, rows });
  /** @param {object} renewed */
  const keep = (renewed) => writeFileSync(file, JSON.stringify({ ...before, ...renewed }, undefined, 2));

  if (part === 'comparison') {
    const { on, result: rows } = await onBroker(broker, (url) => run({ broker, url, extent, work, say }));
    whole &&= rows.every((row) => Object.keys(row.void).length === 0);
    const verdicts = GOALS.filter((goal) => goal.broker === broker).flatMap((goal) => judge(rows, goal));
    whole &&= verdicts.every(({ ratio }) => ratio !== undefined);
    keep({ on, versions: versions(), comparison: await asPart(rows) });
  }
  if (part === 'scale') {
    /** @type {import('./dist/scale.js').ScaleRow[]} */
    const rows = [];
    for (let round = 0; round < extent.scale.rounds; round += 1) {
      const { result } = await onBroker(broker, (url) => scale(round, { broker, url, extent, work, say }));
      rows.push(...result);
    }
    whole &&= rows.every((row) => row.void === undefined);
    keep({ scale: await asPart(rows) });
  }
  if (part === 'profile') {
    const { result: rows } = await onBroker(broker, (url) => profiles({ broker, url, extent, work, say }));
    whole &&= rows.every((row) => row.void === undefined);
    keep({ profile: await asPart(rows) });
  }
}

/**
 * Measures on a broker of its own.
 * @template Result
 * @param {BrokerName} broker
 * @param {(url: string) => Promise<Result>} measure
 */
async function onBroker(broker, measure) {
  running = await start[broker]();
  const { url, on } = running;
  say(`\n${on}:`);
  try {
    return { on, result: await measure(url) };
  } finally {
    await running.remove();
    running = undefined;
  }
}

/** @returns {Promise<import('./dist/report.js').Stamp>} */
async function stamp() {
  const [cpu] = cpus();
  const memory = Math.round(totalmem() / 1024 ** 3);
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpus().length} × ${cpu?.model.trim()}, ${memory} GiB, ${process.platform} ${release().split('-')[0]}`,
    node: (await runCommand(node, ['--version'])).output.trim().replace(/^v/, ''),
    commit: await commit(),
  };
}

/** What is measured: of code that differs from it, it says so. */
async function commit() {
  const git = async (/** @type {string[]} */ ...args) =>
    (await runCommand('git', args, { cwd: root })).output.trim();
  const changed = await git('status', '--porcelain', '--', 'packages', 'bench', 'package-lock.json');
  return `${await git('rev-parse', '--short', 'HEAD')}${changed === '' ? '' : ', changed'}`;
}

/** What is installed, of what `package.json` asks for. */
function versions() {
  const names = Object.keys(json('bench/package.json').devDependencies);
  /** @type {Record<string, string>} */
  const found = {};
  for (const name of names) {
    const folder = (createRequire(import.meta.url).resolve.paths(name) ?? [])
      .map((path) => join(path, name, 'package.json'))
      .find(existsSync);
    if (folder) found[name] = JSON.parse(readFileSync(folder, 'utf8')).version;
  }
  return found;
}
