/** Programs of another Debian, beside the machine's own: its packages in a folder that becomes their root directory. */
import { existsSync, renameSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { installPackage } from './apt.mjs';
import { withLock } from './lock.mjs';
import { run, tail } from './run.mjs';

const buildWithin = 10 * 60_000;

/** Where it is kept for all that is started here. @param {string} suite */
const rootOf = (suite) => fileURLToPath(new URL(`../../.tmp/debian-${suite}`, import.meta.url));

/**
 * @param {string} suite Debian's name of its release, such as `trixie`
 * @param {string[]} packages
 * @param {import('./broker.mjs').Say} say
 * @returns {Promise<string | undefined>}
 */
export async function rootMissing(suite, packages, say) {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) return 'it takes Linux, and root';
  if (!(await run('unshare', ['--mount', 'true'])).ok) return 'this machine lets nobody mount';
  const root = rootOf(suite);
  return withLock(`${root}.lock`, async () => {
    if (existsSync(root)) return undefined;
    if (!(await run('debootstrap', ['--version'])).ok) {
      const problem = await installPackage('debootstrap', [], say);
      if (problem) return problem;
    }
    say(`Fetching Debian ${suite} with debootstrap …`);
    // Whole or not at all: a download may be ended half-way.
    const draft = `${root}-${process.pid}`;
    const { ok, output } = await run(
      'debootstrap',
      ['--variant=minbase', `--include=${packages.join()}`, suite, draft],
      { timeout: buildWithin },
    );
    if (!ok) {
      await run('rm', ['-rf', draft]);
      return `debootstrap failed: ${tail(output)}`;
    }
    renameSync(draft, root);
    return undefined;
  });
}

/** Mounts live in a namespace of the command's own and go with it: nothing is left to unmount. */
const script = `
root=$1 directory=$2
shift 2
mkdir -p "$root$directory"
mount --bind /proc "$root/proc"
mount --bind /dev "$root/dev"
mount --bind "$directory" "$root$directory"
exec chroot "$root" "$@"
`;

/**
 * The command that becomes another one, under the same process id, with the folder as its root.
 * @param {string} suite
 * @param {string} directory seen under the same path inside
 * @param {string[]} command
 */
export function enterRoot(suite, directory, command) {
  return [
    'unshare',
    '--mount',
    '--propagation',
    'private',
    'sh',
    '-euc',
    script,
    'sh',
    rootOf(suite),
    directory,
    ...command,
  ];
}
