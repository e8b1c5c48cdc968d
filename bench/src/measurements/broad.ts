import { HANDS, type Publisher } from '../contestant.js';
import { stopwatch } from '../effort.js';
import { work } from '../handler.js';
import { messages } from '../message.js';
import { sendMany } from '../sending.js';
import { settled } from '../settled.js';
import { tally } from '../tally.js';
import type { Measure } from './job.js';

/** Publishing and handling in one process that has many subscriptions, or publishes to many topics. */
export const broad: Measure = async (contestant, { place, size, count, breadth }) => {
  /** By their numbers, what tells of each under way that its handler has ended. */
  const underway = new Map<number, () => void>();
  const {
    handle,
    reached,
    count: counted,
  } = tally(count, async ({ id }) => {
    await work();
    underway.get(id)?.();
  });
  const application = await contestant.broad!(place, breadth!, handle);
  const message = messages(size);
  const { warm } = breadth!;
  // No more than one subscription could handle at a time, or many would have more in hand than one: a publish waits for the
  // handler, too, since a broker in memory has it at once, and would be given all before the first is handled.
  const atATime = HANDS;
  const publisher: Publisher = {
    ...application,
    async send([one]) {
      const handled = new Promise<void>((resolve) => underway.set(one!.id, resolve));
      await application.send([one!]);
      await handled;
      underway.delete(one!.id);
    },
  };
  await sendMany(contestant, publisher, message, { from: 0, to: warm, atATime });
  await reached(warm);
  const stop = stopwatch();
  await sendMany(contestant, publisher, message, { from: warm, to: count, atATime });
  await reached(count);
  const { cpu } = stop();
  await settled();
  await application.close();
  return { figures: { endToEndCpu: cpu / (count - warm) }, count: counted() };
};
