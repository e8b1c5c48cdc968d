/** Processes that outlive the script which started them, known again later by pid and start time together. */
import { execFileSync, spawn } from 'node:child_process';
import { closeSync, openSync, readFileSync } from 'node:fs';
import { until } from './until.mjs';

/**
 * A pid alone may belong to a stranger by the time we come back for it; a pid with its start time may not.
 * @typedef {{ pid: number, started: string }} ProcessId
 */

/**
 * Starts a program in a session of its own: neither the end of this script nor a Ctrl-C in its terminal reaches it.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env: NodeJS.ProcessEnv, cwd: string, log: string }} options
 * @returns {Promise<ProcessId>}
 */
export async function startDetached(command, args, { env, cwd, log }) {
  const output = openSync(log, 'a');
  try {
    const child = spawn(command, args, { env, cwd, detached: true, stdio: ['ignore', output, output] });
    await new Promise((resolve, reject) => child.once('spawn', resolve).once('error', reject));
    child.unref();
    const pid = /** @type {number} */ (child.pid);
    return { pid, started: startTime(pid) ?? 'ended at once' };
  } finally {
    closeSync(output);
  }
}

/** @param {ProcessId | undefined} id */
export function isRunning(id) {
  return id !== undefined && startTime(id.pid) === id.started;
}

/**
 * Sends the signal and returns once the process is gone; one that ignores a gentle signal is killed at the end of `within`.
 * @param {ProcessId | undefined} id
 * @param {{ signal: NodeJS.Signals, within?: number }} options `within` in milliseconds, default 30 000
 */
export async function end(id, { signal, within = 30_000 }) {
  if (!id || !isRunning(id)) return;
  process.kill(id.pid, signal);
  const gone = await until(() => !isRunning(id), { within });
  if (gone) return;
  if (signal === 'SIGKILL') throw new Error(`Process ${id.pid} does not end, even when killed.`);
  await end(id, { signal: 'SIGKILL' });
}

/**
 * A zombie counts as gone: it only waits for its parent to read its exit code.
 * @param {number} pid
 * @returns {string | undefined}
 */
function startTime(pid) {
  return process.platform === 'linux' ? startTimeFromProc(pid) : startTimeFromPs(pid);
}

/** @param {number} pid */
function startTimeFromProc(pid) {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The second field is the program's name in parentheses and may hold spaces: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields[0] === 'Z' ? undefined : fields[19];
  } catch {
    return undefined;
  }
}

/** @param {number} pid */
function startTimeFromPs(pid) {
  try {
    const env = { ...process.env, LC_ALL: 'C', TZ: 'UTC' };
    const line = execFileSync('ps', ['-o', 'state=,lstart=', '-p', String(pid)], {
      encoding: 'utf8',
      env,
    }).trim();
    return line === '' || line.startsWith('Z') ? undefined : line.slice(line.indexOf(' ')).trim();
  } catch {
    return undefined;
  }
}
