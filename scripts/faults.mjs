/**
 * `npm run test:faults`: every fault of `test/faults`, each file with a broker of its own, on the newest Node that is
 * supported, since one of Kafka's drivers asks for it. Arguments pass on to Jest.
 */
import { conclude, runJest } from './jest.mjs';
import { newestMajor } from './runtimes/runtimes.mjs';

await conclude(async function* () {
  yield await runJest(newestMajor, {
    args: ['--config', 'jest.faults.config.mjs', ...process.argv.slice(2)],
    env: process.env,
    as: 'faults',
  });
});
