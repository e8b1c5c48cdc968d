import { perSecond, stopwatch } from '../effort.js';
import { messages } from '../message.js';
import { sendMany } from '../sending.js';
import { profileOf, warmUp, type Measure } from './job.js';
import { publishing } from './publishing.js';

/** Many publishes at a time, until the broker has all. */
export const publish: Measure = (contestant, job) =>
  publishing(contestant, job, async (publisher) => {
    const message = messages(job.size);
    const [from, to] = [job.from, job.from + job.count];
    const warm = from + warmUp(job.count);
    await sendMany(contestant, publisher, message, { from, to: warm });
    const stop = stopwatch(job.profiled);
    await sendMany(contestant, publisher, message, { from: warm, to });
    const effort = stop();
    const timed = to - warm;
    return {
      figures: { publish: perSecond(timed, effort), publishCpu: effort.cpu / timed },
      ...profileOf(effort, timed),
    };
  });
