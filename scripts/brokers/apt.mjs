import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { run, tail } from './run.mjs';

const installWithin = 10 * 60_000;

/** Debian's way to let a package install without starting its service: this file answers "forbidden" to every start. */
const policy = '/usr/sbin/policy-rc.d';

/**
 * Installs a package of the system, where that is permitted, and leaves its service neither started nor enabled.
 * @param {string} name
 * @param {string[]} services which the package would start, now and at each boot
 * @param {(line: string) => void} say
 * @returns {Promise<string | undefined>} why that was not possible, or nothing
 */
export async function installPackage(name, services, say) {
  if (!(await run('apt-get', ['--version'])).ok)
    return `${name} is not installed, and this system has no apt-get to install it`;
  const root = await asRoot();
  if (!root)
    return `${name} is not installed; installing it takes root or sudo without a password (by hand: sudo apt-get install ${name})`;
  say(`Installing ${name} with apt-get …`);
  const forbidsStarts = existsSync(policy);
  // One that starts with the machine already is somebody's wish.
  const fresh = await without(
    services,
    async (service) => (await run('systemctl', ['is-enabled', service])).ok,
  );
  if (!forbidsStarts) await writeAsRoot(root, policy, '#!/bin/sh\nexit 101\n');
  try {
    // Where lists cannot be refreshed, those at hand may do.
    await root('apt-get', ['update', '-qq']);
    const { ok, output } = await root('apt-get', ['install', '-y', '-qq', '--no-install-recommends', name]);
    if (!ok) return `apt-get install ${name} failed:\n${tail(output)}`;
    // For the next start of the machine; without systemd there is nothing to ask, and nothing to say.
    await root('systemctl', ['disable', '--quiet', ...fresh]);
    return undefined;
  } finally {
    if (!forbidsStarts) await root('rm', ['-f', policy]);
  }
}

/**
 * @param {string[]} all
 * @param {(one: string) => Promise<boolean>} unwanted
 */
async function without(all, unwanted) {
  const judged = await Promise.all(all.map(async (one) => ({ one, out: await unwanted(one) })));
  return judged.filter(({ out }) => !out).map(({ one }) => one);
}

/** @typedef {(command: string, args: string[]) => Promise<{ ok: boolean, output: string }>} AsRoot */

/** @returns {Promise<AsRoot | undefined>} */
async function asRoot() {
  const options = { timeout: installWithin, env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  if (process.getuid?.() === 0) return (command, args) => run(command, args, options);
  if (!(await run('sudo', ['-n', 'true'])).ok) return undefined;
  return (command, args) => run('sudo', ['-n', 'DEBIAN_FRONTEND=noninteractive', command, ...args], options);
}

/** @param {AsRoot} root @param {string} path @param {string} text */
async function writeAsRoot(root, path, text) {
  const directory = mkdtempSync(join(tmpdir(), 'nest-messaging-'));
  const draft = join(directory, 'file');
  writeFileSync(draft, text);
  chmodSync(draft, 0o755);
  await root('install', ['-m', '755', draft, path]);
  rmSync(directory, { recursive: true });
}
