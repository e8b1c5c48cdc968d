import { setTimeout as wait } from 'node:timers/promises';
import { work } from '../handler.js';
import { messages } from '../message.js';
import { sendMany } from '../sending.js';
import { settled } from '../settled.js';
import { tally } from '../tally.js';
import type { Measure } from './job.js';

const MIB = 1024 * 1024;
const resident = (): number => process.memoryUsage.rss() / MIB;

/** Resident memory at its highest, from now on. In MiB. */
export function peakOfMemory(): () => number {
  let peak = resident();
  const look = (): void => {
    peak = Math.max(peak, resident());
  };
  const clock = setInterval(look, 20);
  return () => {
    clearInterval(clock);
    look();
    return peak;
  };
}

/** Milliseconds after which what starting has left behind is gone. */
const TO_REST = 1_000;

/** A process that is ready to publish and to handle, and does neither. */
export const rest: Measure = async (contestant, { place }) => {
  const consumer = await contestant.consumer(place, work);
  const publisher = await contestant.publisher(place);
  await wait(TO_REST);
  globalThis.gc?.();
  const memoryAtRest = resident();
  await settled();
  await publisher.close();
  await consumer.close();
  return { figures: { memoryAtRest } };
};

/** A backlog within the process, because no handler ends before the last message is sent. */
export const held: Measure = async (contestant, { place, size, count }) => {
  let release: () => void = () => {};
  const released = new Promise<void>((resolve) => (release = resolve));
  const { handle, reached, count: counted } = tally(count, () => released);
  const consumer = await contestant.consumer(place, handle);
  const publisher = await contestant.publisher(place);
  const peak = peakOfMemory();
  await sendMany(contestant, publisher, messages(size), { from: 0, to: count });
  const memoryWithBacklog = peak();
  release();
  await reached(count);
  await settled();
  await publisher.close();
  await consumer.close();
  return { figures: { memoryWithBacklog }, count: counted() };
};
