import { HANDS } from '../contestant.js';
import { stopwatch } from '../effort.js';
import { work } from '../handler.js';
import { messages } from '../message.js';
import { sendMany } from '../sending.js';
import { settled } from '../settled.js';
import { tally } from '../tally.js';
import type { Measure } from './job.js';

/** Publishing and handling in one process that has many subscriptions, or publishes to many topics. */
export const broad: Measure = async (contestant, { place, size, count, breadth }) => {
  const { handle, reached, count: counted } = tally(count, work);
  const application = await contestant.broad!(place, breadth!, handle);
  const message = messages(size);
  const { warm } = breadth!;
  // No more than one subscription could handle at a time, or many would have more in hand than one.
  const atATime = HANDS;
  await sendMany(contestant, application, message, { from: 0, to: warm, atATime });
  await reached(warm);
  const stop = stopwatch();
  await sendMany(contestant, application, message, { from: warm, to: count, atATime });
  await reached(count);
  const { cpu } = stop();
  await settled();
  await application.close();
  return { figures: { endToEndCpu: cpu / (count - warm) }, count: counted() };
};
