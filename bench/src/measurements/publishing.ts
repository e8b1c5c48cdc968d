import type { Contestant, Publisher } from '../contestant.js';
import { work } from '../handler.js';
import { tally } from '../tally.js';
import type { Job, Outcome } from './job.js';

/** Publishes to a place where another process counts later; where only this one can, it counts. */
export async function publishing(
  contestant: Contestant,
  { place, from, count, within }: Job,
  measure: (publisher: Publisher) => Promise<Pick<Outcome, 'figures' | 'profile'>>,
): Promise<Outcome> {
  const counting = within ? tally(from + count, work) : undefined;
  const consumer = counting && (await contestant.consumer(place, counting.handle));
  const publisher = await contestant.publisher(place);
  const measured = await measure(publisher);
  await counting?.reached(count);
  await publisher.close();
  await consumer?.close();
  return { ...measured, ...(counting && { count: counting.count() }) };
}
