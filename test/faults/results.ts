import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('../../.tmp/faults', import.meta.url));
const fileOf = (id: string): string => join(folder, `${id}.json`);

/** Keeps what a run has shown, where `scripts/guarantees.mjs` finds it. */
export function keepResult(id: string, result: object): void {
  const file = fileOf(id);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, JSON.stringify(result, undefined, 2));
}

/** Nothing is told of what was not shown to its end. */
export function dropResult(id: string): void {
  rmSync(fileOf(id), { force: true });
}
