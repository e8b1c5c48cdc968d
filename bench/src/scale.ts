import type { Breadth } from './contestant.js';
import { CONTESTANTS } from './contestants/index.js';
import { warmUp } from './measurements/job.js';
import type { Circumstances } from './run.js';
import { broken } from './tally.js';

/** What a message costs one process that has much beside it. */
export interface ScaleRow {
  readonly round: number;
  readonly breadth: Breadth;
  /** Microseconds of processor time, published and handled; left out where messages were lost. */
  readonly cpu?: number;
  /** Why it is left out. */
  readonly void?: string;
}

/**
 * One round of the first of ours on a broker, with one subscription and with many, with one topic and with many. It leaves
 * them there: a thousand quorum queues, of which RabbitMQ has enough before another thousand.
 */
export async function scale(
  round: number,
  { broker, url, extent, work, say }: Circumstances,
): Promise<ScaleRow[]> {
  const { subscriptions, topics, messages } = extent.scale;
  // Each topic at least once: what is made or remembered of it is its cost at the beginning, not with every message.
  const warm = Math.max(warmUp(messages), ...topics, ...subscriptions);
  const breadths: Breadth[] = [
    ...topics.map((count) => ({ of: 'topics' as const, count, warm })),
    ...subscriptions.map((count) => ({ of: 'subscriptions' as const, count, warm })),
  ];
  const rows: ScaleRow[] = [];
  for (const breadth of breadths) {
    const row: ScaleRow = { round, breadth, ...(await measure(breadth)) };
    rows.push(row);
    say(`${round + 1}. ${breadth.count} ${breadth.of}: ${row.void ?? `${row.cpu!.toFixed(1)} µs/msg`}`);
  }
  return rows;

  async function measure(breadth: Breadth): Promise<Pick<ScaleRow, 'cpu' | 'void'>> {
    const job = {
      place: { url, name: `s${Date.now().toString(36)}` },
      size: Math.min(...extent.sizes),
      from: 0,
      count: warm + messages,
      rate: 0,
      within: true,
      breadth,
    };
    try {
      const { figures, count } = await work(`${broker}/${CONTESTANTS[broker][0]}`, 'broad', job);
      const reason = broken(count!);
      return reason === undefined ? { cpu: figures.endToEndCpu! } : { void: reason };
    } catch (error) {
      return { void: (error as Error).message };
    }
  }
}
