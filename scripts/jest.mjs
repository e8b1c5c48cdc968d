/**
 * Runs Jest on a version of Node, bounded also at its end, and concludes over all runs: what `npm test` and
 * `npm run test:faults` share.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { nodeBinary } from './runtimes/runtimes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const results = join(root, '.tmp', 'test-results');
/** Milliseconds that Jest may take to end once it has reported. */
const END_WITHIN = 60_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */
/** @typedef {{ count: Count, content: boolean }} Run what Jest counted, and whether it was content */

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
/** @type {NodeJS.Signals | undefined} */
let interruption;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    interruption ??= signal;
    running?.kill(signal);
  });
}

/** Whether somebody wants this to end. */
export const interrupted = () => interruption !== undefined;

/**
 * @param {number} major of Node
 * @param {{ args: readonly string[], env: NodeJS.ProcessEnv, as?: string }} options `as` names its report among the results
 * @returns {Promise<Run>}
 */
export async function runJest(major, { args, env, as = `node-${major}` }) {
  mkdirSync(results, { recursive: true });
  const node = await nodeBinary(major, console.log);
  const file = join(results, `${as}-${process.pid}.json`);
  console.log(`\nNode ${major}:`);
  const jest = [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
  ];
  const code = await finish(
    spawn(node, [...jest, '--json', `--outputFile=${file}`, ...args], {
      cwd: root,
      env,
      // Jest's report goes to standard error; standard output would only carry the JSON once more.
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
    file,
  );
  return { count: read(file, join(results, `${as}.json`)), content: code === 0 };
}

/**
 * Runs what it is given, counts, and says how this process ends. The last line counts the tests of all runs.
 * @param {() => AsyncIterable<Run>} runs
 */
export async function conclude(runs) {
  /** @type {Run[]} */
  const all = [];
  try {
    for await (const run of runs()) all.push(run);
  } catch (error) {
    // Without a broker or a Node there is no run, and that is a failure too.
    console.error(/** @type {Error} */ (error).message);
    all.push({ count: { passed: 0, failed: 1, skipped: 0 }, content: false });
  }
  const { passed, failed, skipped } = sum(all.map(({ count }) => count));
  console.log(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
  if (interruption) process.exitCode = 128 + constants.signals[interruption];
  else process.exitCode = failed === 0 && all.every(({ content }) => content) ? 0 : 1;
}

/**
 * Waits for Jest, and ends it where something that a test left open keeps it from ending: that is a failure too.
 * @param {import('node:child_process').ChildProcess} child
 * @param {string} report where Jest writes what it found, at its end
 * @returns {Promise<number | null>}
 */
function finish(child, report) {
  running = child;
  return new Promise((resolve, reject) => {
    /** @type {NodeJS.Timeout | undefined} */
    let limit;
    const look = setInterval(() => {
      if (limit || !existsSync(report)) return;
      limit = setTimeout(() => {
        console.error(
          `Jest had not ended ${END_WITHIN / 1000} s after its last test: a test left something open`,
        );
        child.kill('SIGKILL');
      }, END_WITHIN);
    }, 1_000);
    const done = () => {
      clearInterval(look);
      clearTimeout(limit);
    };
    child.once('error', reject).once('close', resolve).once('close', done).once('error', done);
  });
}

/**
 * @param {string} file
 * @param {string} kept where the results stay for those who want to read them
 * @returns {Count}
 */
function read(file, kept) {
  try {
    const report = JSON.parse(readFileSync(file, 'utf8'));
    rmSync(kept, { force: true });
    renameSync(file, kept);
    return {
      passed: report.numPassedTests,
      // A file that could not even be loaded reports no test, and is a failure all the same.
      failed: report.numFailedTests + report.numRuntimeErrorTestSuites,
      skipped: report.numPendingTests + report.numTodoTests,
    };
  } catch {
    // Jest died before it could report.
    return { passed: 0, failed: 1, skipped: 0 };
  }
}

/** @param {Count[]} counts @returns {Count} */
function sum(counts) {
  return counts.reduce(
    (a, b) => ({ passed: a.passed + b.passed, failed: a.failed + b.failed, skipped: a.skipped + b.skipped }),
    { passed: 0, failed: 0, skipped: 0 },
  );
}
