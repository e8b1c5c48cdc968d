import { perSecond, stopwatch, type Effort } from '../effort.js';
import { work } from '../handler.js';
import { settled } from '../settled.js';
import { tally } from '../tally.js';
import { profileOf, warmUp, type Measure } from './job.js';
import { peakOfMemory } from './memory.js';

/** Handling what waits on the broker. Joining and the first messages are not timed; counted is all that was ever sent there. */
export const consume: Measure = async (contestant, { place, count, profiled }) => {
  const warm = warmUp(count);
  let stop: (() => Effort) | undefined;
  const { handle, reached, count: counted } = tally(count, work);
  const peak = peakOfMemory();
  const consumer = await contestant.consumer(place, async (message) => {
    await handle(message);
    if (!stop && counted().handled >= warm) stop = stopwatch(profiled);
  });
  await reached(count);
  const effort = stop?.();
  const memoryWithBacklog = peak();
  await settled();
  await consumer.close();
  const timed = count - warm;
  return {
    figures: effort
      ? { consume: perSecond(timed, effort), consumeCpu: effort.cpu / timed, memoryWithBacklog }
      : {},
    count: counted(),
    ...profileOf(effort, timed),
  };
};
