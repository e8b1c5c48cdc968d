/**
 * `npm run test:faults:random`: faults as a seed chooses them, under load, broker by broker; `--help` says how.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { conclude, interrupted, runJest } from './jest.mjs';
import { newestMajor } from './runtimes/runtimes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const folder = join(root, 'test', 'faults', 'random');
/** The last long run, which the documentation shows. */
const published = join(root, 'docs', 'random-faults.json');
const all = readdirSync(folder).flatMap((name) => /^(.*)\.spec\.ts$/.exec(name)?.[1] ?? []);

const { values } = parseArgs({
  options: {
    seed: { type: 'string' },
    minutes: { type: 'string', default: '5' },
    broker: { type: 'string', multiple: true, default: all },
    publish: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});

if (values.help) {
  console.log(`npm run test:faults:random -- [--seed N] [--minutes N] [--broker NAME]... [--publish]

  --seed N       the same seed chooses the same sequence of faults, loads and failures; by default one by chance
  --minutes N    how long each broker is disturbed (5)
  --broker NAME  one of ${all.join(', ')}; may be given again (all)
  --publish      writes what was found into docs/random-faults.json, which docs/guarantees.md shows`);
} else {
  await run();
}

async function run() {
  const minutes = Number(values.minutes);
  const seed = values.seed === undefined ? Math.floor(Math.random() * 2 ** 31) : Number(values.seed);
  const unknown = values.broker.filter((name) => !all.includes(name));
  if (!(minutes > 0) || !Number.isSafeInteger(seed) || unknown.length > 0) {
    console.error(
      `expected minutes above 0, a whole seed and brokers of ${all.join(', ')}; found ${JSON.stringify(values)}`,
    );
    process.exitCode = 2;
    return;
  }
  console.log(`seed ${seed}, ${minutes} minutes each: ${values.broker.join(', ')}`);
  await conclude(async function* () {
    for (const name of values.broker) {
      if (interrupted()) break;
      const done = await runJest(newestMajor, {
        args: ['--config', 'jest.faults.config.mjs', join(folder, `${name}.spec.ts`)],
        env: {
          ...process.env,
          FAULTS_SEED: String(seed),
          FAULTS_SECONDS: String(Math.round(minutes * 60)),
        },
        as: `random-${name}`,
      });
      yield done;
      if (done.content) keep(name);
    }
  });
}

/** @param {string} name */
function keep(name) {
  const found = JSON.parse(readFileSync(join(root, '.tmp', 'faults', 'random', `${name}.json`), 'utf8'));
  console.log(`${name}: ${JSON.stringify(found)}`);
  if (!values.publish) return;
  const runs = JSON.parse(readFileSync(published, 'utf8'));
  const commit = execFileSync('git', ['rev-parse', '--short', 'HEAD'], {
    cwd: root,
    encoding: 'utf8',
  }).trim();
  runs[name] = { ...found, commit, date: new Date().toISOString().slice(0, 10) };
  writeFileSync(published, `${JSON.stringify(runs, undefined, 2)}\n`);
}
