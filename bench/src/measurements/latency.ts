import { messages } from '../message.js';
import { percentile } from '../statistics.js';
import { warmUp, type Measure } from './job.js';
import { publishing } from './publishing.js';

/** One publish after the other, each awaited. */
export const latency: Measure = (contestant, job) =>
  publishing(contestant, job, async (publisher) => {
    const message = messages(job.size);
    const taken: number[] = [];
    for (let id = job.from; id < job.from + job.count; id += 1) {
      const begin = performance.now();
      await publisher.send([message(id)]);
      taken.push(performance.now() - begin);
    }
    const warmed = taken.slice(warmUp(job.count));
    return { figures: { awaitedP50: percentile(warmed, 50), awaitedP99: percentile(warmed, 99) } };
  });
