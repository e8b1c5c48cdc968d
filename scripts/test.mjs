/**
 * `npm test`: the whole suite on real brokers, on the running Node; `npm run test:all`: on each major version of Node that
 * is supported. Arguments pass on to Jest. The last line counts the tests of all runs.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { constants, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brokers } from './brokers/index.mjs';
import { release, up } from './brokers/shared.mjs';
import { nest11, nodeBinary, runningMajor, supportedMajors } from './runtimes/runtimes.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const everyNode = process.argv[2] === '--every-node';
const forJest = process.argv.slice(everyNode ? 3 : 2);
const results = join(root, '.tmp', 'test-results');
const say = console.log;
/** Milliseconds that Jest may take to end once it has reported. */
const END_WITHIN = 60_000;

/** @typedef {{ passed: number, failed: number, skipped: number }} Count */

/** @type {import('node:child_process').ChildProcess | undefined} */
let running;
/** @type {NodeJS.Signals | undefined} */
let interrupted;
for (const signal of /** @type {const} */ (['SIGINT', 'SIGTERM', 'SIGHUP'])) {
  process.on(signal, () => {
    interrupted ??= signal;
    running?.kill(signal);
  });
}

/** @type {Count[]} */
const counts = [];
let ok = true;
try {
  ok = await testAll();
} catch (error) {
  // Without a broker or a Node there is no run, and that is a failure too.
  console.error(/** @type {Error} */ (error).message);
  counts.push({ passed: 0, failed: 1, skipped: 0 });
}
const { passed, failed, skipped } = sum(counts);
say(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`);
if (interrupted) process.exitCode = 128 + constants.signals[interrupted];
else process.exitCode = ok && failed === 0 ? 0 : 1;

/** @returns whether every run of Jest was content */
async function testAll() {
  mkdirSync(results, { recursive: true });
  // What the compatibility tests install serves both runs.
  const installations = mkdtempSync(join(tmpdir(), 'compat-'));
  let content = true;
  try {
    await nest11(say);
    const env = { ...process.env, ...(await addresses()), COMPAT_DIRECTORY: installations };
    // The running Node first: its results are there soonest.
    const majors = everyNode
      ? [...supportedMajors].sort((a, b) => Number(b === runningMajor) - Number(a === runningMajor))
      : [runningMajor];
    for (const major of majors) {
      if (interrupted) break;
      const { count, code } = await test(major, env);
      counts.push(count);
      content &&= code === 0;
    }
  } finally {
    rmSync(installations, { recursive: true, force: true });
    for (const broker of brokers) await release(broker, { holder: process.pid, say });
  }
  return content;
}

/** Each broker's address, under the name of its environment variable. No broker, no tests: none is skipped in silence. */
async function addresses() {
  /** @type {Record<string, string>} */
  const found = {};
  for (const broker of brokers) found[broker.variable] = await up(broker, { say, holder: process.pid });
  return found;
}

/**
 * @param {number} major
 * @param {NodeJS.ProcessEnv} env
 */
async function test(major, env) {
  const node = await nodeBinary(major, say);
  const file = join(results, `node-${major}-${process.pid}.json`);
  say(`\nNode ${major}:`);
  const jest = [
    '--experimental-vm-modules',
    '--no-warnings=ExperimentalWarning',
    'node_modules/jest/bin/jest.js',
  ];
  const code = await finish(
    spawn(node, [...jest, '--json', `--outputFile=${file}`, ...forJest], {
      cwd: root,
      env,
      // Jest's report goes to standard error; standard output would only carry the JSON once more.
      stdio: ['ignore', 'ignore', 'inherit'],
    }),
    file,
  );
  return { count: read(file, join(results, `node-${major}.json`)), code };
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
