/**
 * `npm test`: the whole suite on real brokers, on the running Node; `npm run test:all`: on each major version of Node that
 * is supported, but for what is not about Node, on the newest alone. Arguments pass on to Jest. The last line counts the
 * tests of all runs.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { NOT_ABOUT_NODE } from '../jest.config.mjs';
import { brokers } from './brokers/index.mjs';
import { release, up } from './brokers/shared.mjs';
import { conclude, interrupted, runJest } from './jest.mjs';
import { nest11, newestMajor, runningMajor, supportedMajors } from './runtimes/runtimes.mjs';

const everyNode = process.argv[2] === '--every-node';
const args = process.argv.slice(everyNode ? 3 : 2);
const say = console.log;

await conclude(async function* () {
  // What the compatibility tests install serves all runs.
  const installations = mkdtempSync(join(tmpdir(), 'compat-'));
  try {
    await nest11(say);
    const env = { ...process.env, ...(await addresses()), COMPAT_DIRECTORY: installations };
    // The running Node first: its results are there soonest.
    const majors = everyNode
      ? [...supportedMajors].sort((a, b) => Number(b === runningMajor) - Number(a === runningMajor))
      : [runningMajor];
    for (const major of majors) {
      if (interrupted()) break;
      const left = everyNode && major !== newestMajor;
      if (left) say(`\nLeft to Node ${newestMajor}, as it is not about Node: ${NOT_ABOUT_NODE.join(', ')}`);
      yield await runJest(major, { args, env: { ...env, ...(left && { ABOUT_NODE_ALONE: '1' }) } });
    }
  } finally {
    rmSync(installations, { recursive: true, force: true });
    for (const broker of brokers) await release(broker, { holder: process.pid, say });
  }
});

/** Each broker's address, under the name of its environment variable. No broker, no tests: none is skipped in silence. */
async function addresses() {
  /** @type {Record<string, string>} */
  const found = {};
  for (const broker of brokers) found[broker.variable] = await up(broker, { say, holder: process.pid });
  return found;
}
