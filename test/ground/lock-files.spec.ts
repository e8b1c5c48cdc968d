import { describe, expect, it } from '@jest/globals';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** What `npm ci` on another machine depends on, and what no machine but that one would show. */
const root = fileURLToPath(new URL('../..', import.meta.url));

interface Entry {
  resolved?: string;
  hasInstallScript?: boolean;
  optionalDependencies?: Record<string, string>;
}

function read(...path: string[]) {
  return JSON.parse(readFileSync(join(root, ...path), 'utf8'));
}

describe.each([
  '.',
  'scripts/runtimes/node-20',
  'scripts/runtimes/node-24',
  'scripts/runtimes/nest-11',
  'scripts/brokers/aws/fauxqs',
])('the lock file in %s', (folder) => {
  const packages: Record<string, Entry> = read(folder, 'package-lock.json').packages;

  it('names no registry', () => {
    const named = Object.values(packages).filter(({ resolved }) => resolved?.startsWith('http'));
    expect(named).toEqual([]);
  });

  it('holds the binaries of every platform, not only of the one where it was written', () => {
    const wanted = Object.values(packages).flatMap((entry) => Object.keys(entry.optionalDependencies ?? {}));
    const missing = wanted.filter(
      (name) => !Object.keys(packages).some((path) => path.endsWith(`node_modules/${name}`)),
    );
    expect(missing).toEqual([]);
  });

  it('brings no install script that nobody has judged', () => {
    const scripts = Object.entries(packages).filter(([, entry]) => entry.hasInstallScript);
    const names = scripts.map(([path]) => path.slice(path.lastIndexOf('node_modules/') + 13));
    const judged = Object.keys(read(folder, 'package.json').allowScripts ?? {});
    expect(names.filter((name) => !judged.includes(name))).toEqual([]);
  });
});
