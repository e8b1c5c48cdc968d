import { perSecond, stopwatch } from '../effort.js';
import { work } from '../handler.js';
import { messages, now } from '../message.js';
import { sendMany } from '../sending.js';
import { percentile } from '../statistics.js';
import { settled } from '../settled.js';
import { tally } from '../tally.js';
import { profileOf, warmUp, type Measure } from './job.js';

/** Publishing and handling in one process, as fast as it goes, until the last message is handled. */
export const endToEnd: Measure = async (contestant, { place, size, count, profiled }) => {
  const { handle, reached, count: counted } = tally(count, work);
  const consumer = await contestant.consumer(place, handle);
  const publisher = await contestant.publisher(place);
  const message = messages(size);
  const warm = warmUp(count);
  await sendMany(contestant, publisher, message, { from: 0, to: warm });
  await reached(warm);
  const stop = stopwatch(profiled);
  await sendMany(contestant, publisher, message, { from: warm, to: count });
  await reached(count);
  const effort = stop();
  await settled();
  await publisher.close();
  await consumer.close();
  const timed = count - warm;
  return {
    figures: { endToEnd: perSecond(timed, effort), endToEndCpu: effort.cpu / timed },
    count: counted(),
    ...profileOf(effort, timed),
  };
};

/** How often it is looked which messages are due, in milliseconds. */
const TICK = 2;
/** Microseconds by which a message may be late that are the clock's: ticks come every 2 to 4 ms when nothing is done. */
const CLOCK_IS_LATE = 5_000;

/** From when a message was due to be sent to when its handler began, at a fixed rate. */
export const paced: Measure = async (contestant, { place, size, count, rate }) => {
  const taken = new Float64Array(count);
  const {
    handle,
    reached,
    count: counted,
  } = tally(count, async (message) => {
    if (message.id in taken) taken[message.id] = (now() - message.at) / 1_000;
    await work();
  });
  const consumer = await contestant.consumer(place, handle);
  const publisher = await contestant.publisher(place);
  const message = messages(size);
  const begin = now();
  /** When each is due, whether or not those before it are through: a stall counts for all that it holds up. */
  const due = (id: number): number => begin + (id * 1_000_000) / rate;
  const sent: Promise<unknown>[] = [];
  await new Promise<void>((resolve) => {
    const clock = setInterval(() => {
      while (sent.length < count && due(sent.length) <= now()) {
        // How long it waited for its tick would be most of its time; a stall is its own.
        const late = now() - due(sent.length);
        const at = late > CLOCK_IS_LATE ? due(sent.length) : now();
        sent.push(publisher.send([message(sent.length, Math.round(at))]));
      }
      if (sent.length < count) return;
      clearInterval(clock);
      resolve();
    }, TICK);
  });
  await Promise.all(sent);
  await reached(count);
  await settled();
  await publisher.close();
  await consumer.close();
  const warmed = [...taken.subarray(warmUp(count))];
  return {
    figures: { endToEndP50: percentile(warmed, 50), endToEndP99: percentile(warmed, 99) },
    count: counted(),
  };
};
