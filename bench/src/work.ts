import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { Contestant } from './contestant.js';
import type { Measurement } from './measurements/index.js';
import type { Job, Outcome } from './measurements/job.js';

/** What of a contestant its results tell. */
export type About = Pick<Contestant, 'name' | 'safety' | 'says' | 'beside'>;

const WORKER = fileURLToPath(new URL('worker.js', import.meta.url));

/** Runs one measurement of the contestant in a file. */
export type Work = (
  file: string,
  measurement: Measurement,
  job: Job,
) => Promise<Outcome & { readonly about: About }>;

/**
 * Each in a process of its own.
 * @param node the Node that measures
 * @param limit milliseconds after which it hangs
 */
export const workWith =
  (node: string, limit: number): Work =>
  (file, measurement, job) => {
    const child = fork(WORKER, [file, measurement, JSON.stringify(job)], {
      execPath: node,
      execArgv: ['--expose-gc', '--no-warnings'],
      serialization: 'advanced',
    });
    return new Promise((resolve, reject) => {
      const clock = setTimeout(() => {
        reject(new Error(`took longer than ${limit / 1_000} s`));
        child.kill('SIGKILL');
      }, limit);
      child
        .once('message', resolve)
        .once('error', reject)
        .once('exit', (code, signal) => {
          clearTimeout(clock);
          reject(new Error(`its process ended with ${signal ?? code}`));
        });
    });
  };
