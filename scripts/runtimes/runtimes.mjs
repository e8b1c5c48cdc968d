/** The versions of Node that are supported, and a binary of each. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { run, tail } from '../brokers/run.mjs';

/** The oldest and the newest that this project promises to run on. */
export const supportedMajors = [20, 24];

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
  const folder = fileURLToPath(new URL(`./node-${major}`, import.meta.url));
  const binary = join(folder, 'node_modules', '.bin', 'node');
  if (existsSync(binary)) return binary;
  say(`Installing Node ${major} for the second run of the tests …`);
  const { ok, output } = await run('npm', ['ci', '--no-audit', '--no-fund'], {
    cwd: folder,
    timeout: 5 * 60_000,
  });
  if (ok && existsSync(binary)) return binary;
  throw new Error(
    `Node ${major}, on which the tests must also run, could not be installed:\n${tail(output)}`,
  );
}
