/**
 * Writes what the tests have shown into README.md and docs/guarantees.md, between the marks there: the guarantees of the
 * conformance suite, and the faults that were survived. `node scripts/guarantees.mjs [--check]`, after `npm run test:all`
 * and `npm run test:faults`; with `--check` it writes nothing and fails where a page is not what the run has shown.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { long, readConformance, short } from './guarantees/conformance.mjs';
import { faults, keepFaults, randomRuns, readFaults } from './guarantees/faults.mjs';
import { fill } from './guarantees/markdown.mjs';

const root = fileURLToPath(new URL('..', import.meta.url));
const transports = readConformance();
const grounds = readFaults();
const check = process.argv.includes('--check');

/** @type {{ [page: string]: { [mark: string]: string } }} */
const pages = {
  'README.md': { guarantees: short(transports) },
  'docs/guarantees.md': {
    faults: faults(grounds),
    'random faults': randomRuns(),
    guarantees: long(transports),
  },
};

if (!check) keepFaults(grounds);
for (const [page, parts] of Object.entries(pages)) {
  const found = readFileSync(join(root, page), 'utf8');
  const text = Object.entries(parts).reduce((all, [mark, part]) => fill(all, mark, part), found);
  if (text === found) continue;
  if (check) {
    console.error(`${page} is not what the tests have shown: run node scripts/guarantees.mjs`);
    process.exitCode = 1;
  } else {
    writeFileSync(join(root, page), text);
    console.log(`${page} is written`);
  }
}
