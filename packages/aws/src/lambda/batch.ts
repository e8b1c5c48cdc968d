import { atATime } from '@nest-messaging/core/contract';
import type { Intake, Source, Time } from '../intake.js';
import { isFifo, lastName } from '../names.js';
import { messageOf, type SqsRecord } from './event.js';

/**
 * Hands records over, those of one FIFO group one after the other, and answers which have failed. Never rejects, and
 * resolves when all have ended or time is over: what has not ended by then has failed.
 */
export async function handleRecords(
  { sources }: Intake,
  records: readonly SqsRecord[],
  time: Time,
  unknown: (queue: string, count: number) => void,
): Promise<readonly SqsRecord[]> {
  const failed = new Set(records);
  const queues = groupedBy(records, ({ eventSourceARN }) => lastName(eventSourceARN));
  const all = [...queues].map(async ([queue, own]) => {
    const source = sources.get(queue);
    if (!source) return unknown(queue, own.length);
    await inLanes(source, lanesOf(queue, own), time, (record) => failed.delete(record));
  });
  await Promise.race([Promise.all(all), aborted(time.over)]);
  return records.filter((record) => failed.has(record));
}

/** Of a FIFO queue, those of one group are one lane: in a batch they stand in their order. */
function lanesOf(queue: string, records: readonly SqsRecord[]): SqsRecord[][] {
  if (!isFifo(queue)) return records.map((record) => [record]);
  return [...groupedBy(records, ({ attributes }) => attributes['MessageGroupId'] ?? '').values()];
}

/** As many lanes at a time as the source takes messages; each ends at its first failure. */
async function inLanes(
  source: Source,
  lanes: readonly (readonly SqsRecord[])[],
  time: Time,
  done: (record: SqsRecord) => void,
): Promise<void> {
  await atATime(source.maxInHand, lanes, async (lane) => {
    for (const record of lane) {
      // Lambda deletes what is not reported, so that those behind a failure must be, or they would overtake it.
      // https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-errorhandling.html
      if (!(await source.take(messageOf(record), time))) break;
      done(record);
    }
  });
}

function groupedBy<T>(list: readonly T[], keyOf: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of list) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group) group.push(item);
    else groups.set(key, [item]);
  }
  return groups;
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
