import { work } from '../handler.js';
import { settled } from '../settled.js';
import type { Measure } from './job.js';

/** Lets a contestant make what it takes from, so that what is sent waits there. */
export const prepare: Measure = async (contestant, { place }) => {
  if (contestant.prepare) {
    await contestant.prepare(place);
    return { figures: {} };
  }
  const consumer = await contestant.consumer(place, work);
  await settled();
  await consumer.close();
  return { figures: {} };
};
