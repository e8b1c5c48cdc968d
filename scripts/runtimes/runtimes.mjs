/** The versions of Node that are supported, and a binary of each. */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, tail } from '../brokers/run.mjs';

/** The oldest and the newest that this project promises to run on. */
export const supportedMajors = [20, 24];

export const newestMajor = Math.max(...supportedMajors);

export const runningMajor = Number(process.versions.node.split('.')[0]);

/**
 * The running Node where it is of that version, otherwise one installed from the npm registry. Each lives in a folder
 * with a package.json of its own: as a dependency of the root, it would stand first on the PATH of every npm script.
 * @param {number} major
 * @param {(line: string) => void} say
 * @returns {Promise<string>} path of the binary
 */
export async function nodeBinary(major, say) {
  if (major === runningMajor) return process.execPath;
  return installed(`node-${major}`, join('.bin', 'node'), say);
}

/**
 * NestJS 11, on which the tests of the Nest layer run a second time: `jest.config.mjs` maps the packages there.
 * @param {(line: string) => void} say
 */
export async function nest11(say) {
  await installed('nest-11', join('@nestjs', 'core', 'package.json'), say);
}

/**
 * @param {string} name of the folder beside this file, with a package.json and a lock file
 * @param {string} proof path within `node_modules` of what is there once it is installed
 * @param {(line: string) => void} say
 * @returns {Promise<string>} full path of the proof
 */
async function installed(name, proof, say) {
  const folder = fileURLToPath(new URL(`./${name}`, import.meta.url));
  const path = join(folder, 'node_modules', proof);
  if (changed(path) !== undefined && isCurrent(folder)) return path;
  say(`Installing ${name} for the tests that run on it …`);
  const { ok, output } = await run('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: folder,
    timeout: 5 * 60_000,
  });
  if (ok && changed(path) !== undefined) return path;
  throw new Error(`${name}, on which the tests must also run, could not be installed:\n${tail(output)}`);
}

/** @param {string} path @returns {number | undefined} in milliseconds since 1970; undefined if there is none */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs;

/**
 * npm writes its own list of what is installed last of all: a lock file that came later asks for something else.
 * @param {string} folder
 */
function isCurrent(folder) {
  const installed = changed(join(folder, 'node_modules', '.package-lock.json'));
  const asked = changed(join(folder, 'package-lock.json'));
  return installed !== undefined && asked !== undefined && installed >= asked;
}
