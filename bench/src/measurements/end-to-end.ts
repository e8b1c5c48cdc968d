import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises';
import { perSecond, stopwatch } from '../effort.js';
import { work } from '../handler.js';
import { messages, now } from '../message.js';
import { sendMany } from '../sending.js';
import { percentile } from '../statistics.js';
import { settled } from '../settled.js';
import { tally } from '../tally.js';
import { warmUp, type Measure } from './job.js';

/** Publishing and handling in one process, as fast as it goes, until the last message is handled. */
export const endToEnd: Measure = async (contestant, { place, size, count }) => {
  const { handle, reached, count: counted } = tally(count, work);
  const consumer = await contestant.consumer(place, handle);
  const publisher = await contestant.publisher(place);
  const message = messages(size);
  const warm = warmUp(count);
  await sendMany(contestant, publisher, message, { from: 0, to: warm });
  await reached(warm);
  const stop = stopwatch();
  await sendMany(contestant, publisher, message, { from: warm, to: count });
  await reached(count);
  const effort = stop();
  await settled();
  await publisher.close();
  await consumer.close();
  return {
    figures: { endToEnd: perSecond(count - warm, effort), endToEndCpu: effort.cpu / (count - warm) },
    count: counted(),
  };
};

/** Microseconds before a message is due from which on it is waited turn by turn: Node's timers may be later than that. */
const SOON = 2_000;

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
  // By a clock that ticks, how long a message waits for its tick would be most of its time.
  while (sent.length < count) {
    const early = due(sent.length) - now();
    if (early > SOON) await wait(1);
    else if (early > 0) await turn();
    else sent.push(publisher.send([message(sent.length, Math.round(due(sent.length)))]));
  }
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
