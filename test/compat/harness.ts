import { execFile } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** Packs the packages as for publication, and installs them in applications outside this repository. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const here = join(root, 'test', 'compat');

/**
 * Outside the repository, whose own node_modules would stand in for what an application lacks. `npm test` gives both
 * of its runs the same place, so that what one installed the other finds.
 */
const given = process.env.COMPAT_DIRECTORY;
const place = given ?? mkdtempSync(join(tmpdir(), 'compat-'));

export function cleanUp() {
  if (!given) rmSync(place, { recursive: true });
}

export interface Outcome {
  code: number;
  output: string;
}

export function run(command: string, args: string[], cwd: string): Promise<Outcome> {
  // The conditions and settings of the test run itself are not the application's.
  const { NODE_OPTIONS: _, NODE_ENV: __, JEST_WORKER_ID: ___, FORCE_COLOR: ____, ...inherited } = process.env;
  const env = { ...inherited, NO_COLOR: '1' };
  return new Promise((resolve) => {
    execFile(
      command,
      args,
      { cwd, env, timeout: 240_000, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => {
        resolve({ code: error ? Number(error.code ?? 1) : 0, output: stdout + stderr });
      },
    );
  });
}

async function mustRun(command: string, args: string[], cwd: string) {
  const { code, output } = await run(command, args, cwd);
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} failed in ${cwd}:\n${output}`);
  return output;
}

export interface Packed {
  name: string;
  /** The packed file. */
  tarball: string;
  /** Its content, unpacked. */
  directory: string;
  /** Paths of the files in it. */
  files: string[];
}

/** The packages as they would be published, built from the source as it is now. */
export async function pack(names: string[]): Promise<Packed[]> {
  const done = join(place, 'packed');
  if (!existsSync(done)) {
    await mustRun('npm', ['run', 'build'], root);
    const draft = `${done}.new`;
    for (const name of names) {
      const unpacked = join(draft, name);
      mkdirSync(unpacked, { recursive: true });
      await mustRun('npm', ['pack', '--pack-destination', draft], join(root, 'packages', name));
      const tarball = readdirSync(draft).find((file) => file.startsWith(`nest-messaging-${name}-`))!;
      await mustRun('tar', ['-xzf', join(draft, tarball), '--strip-components=1', '-C', unpacked], draft);
    }
    renameSync(draft, done);
  }
  return names.map((name) => {
    const directory = join(done, name);
    const files = readdirSync(directory, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1));
    const tarball = readdirSync(done).find((file) => file.startsWith(`nest-messaging-${name}-`))!;
    return { name, tarball: join(done, tarball), directory, files };
  });
}

/**
 * An application of the given kind with the packed packages installed: the folder of that name in `fixtures`, and
 * the sources that all TypeScript applications share.
 * @returns its directory
 */
export async function install(fixture: string, packages: Packed[]): Promise<string> {
  const directory = join(place, fixture);
  if (existsSync(directory)) return directory;
  const draft = join(place, 'drafts', fixture);
  mkdirSync(dirname(draft), { recursive: true });
  cpSync(join(here, 'fixtures', fixture), draft, { recursive: true });
  if (existsSync(join(draft, 'tsconfig.json'))) {
    cpSync(join(here, 'application'), draft, { recursive: true });
  }
  const quiet = ['--prefer-offline', '--no-audit', '--no-fund', '--ignore-scripts'];
  await mustRun('npm', ['install', ...quiet, ...packages.map(({ tarball }) => tarball)], draft);
  renameSync(draft, directory);
  return directory;
}

export function read(packed: Packed, file: string) {
  return readFileSync(join(packed.directory, file), 'utf8');
}
