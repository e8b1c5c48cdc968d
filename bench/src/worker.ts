/** The process of one measurement: `worker.js <broker>/<contestant> <measurement> <job as JSON>`; its outcome goes to its parent. */
import 'reflect-metadata';
import type { Contestant } from './contestant.js';
import { measurements, type Measurement } from './measurements/index.js';
import type { Job } from './measurements/job.js';

// Whoever waited for it was interrupted, and most clients would wait on for a broker that is gone.
process.once('disconnect', () => process.exit());
const [file, measurement, job] = process.argv.slice(2) as [string, Measurement, string];
const { default: contestant } = (await import(`./contestants/${file}.js`)) as { default: Contestant };
const { name, safety, says, beside } = contestant;
const outcome = await measurements[measurement](contestant, JSON.parse(job) as Job);
// Clients may leave a timer or a socket behind: what is measured is measured.
process.send!({ ...outcome, about: { name, safety, says, beside } }, () => process.exit());
