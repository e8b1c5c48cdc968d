/** What is written down about a broker that was started here, so that another command can stop it later. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * @typedef {object} Started
 * @property {string} way the name of the way by which it was started
 * @property {string} directory its data, configuration, logs and this record
 * @property {string} url
 * @property {boolean} [kept] someone said `up`: it stays until someone says `down`
 * @property {number[]} [holders] pids of the test runs that use it
 * @property {number} [owner] pid of the one process that this private instance is for
 *
 * @typedef {Started & { [detail: string]: any }} State with what its way needs to find it again
 */

const repository = fileURLToPath(new URL('../..', import.meta.url));

/** Where brokers keep all that is theirs. The variable is for the tests of these scripts. */
export function stateDirectory() {
  return process.env.BROKERS_DIRECTORY ?? join(repository, '.brokers');
}

/** @param {string} directory @returns {State | undefined} */
export function readState(directory) {
  const file = stateFile(directory);
  return existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')) : undefined;
}

/** Whole or not at all, since others may be reading. @param {State} state */
export function saveState(state) {
  const file = stateFile(state.directory);
  writeFileSync(`${file}.new`, JSON.stringify(state, undefined, 2));
  renameSync(`${file}.new`, file);
}

/** @param {string} directory */
function stateFile(directory) {
  return join(directory, 'state.json');
}
