import { pause, type Clock } from '@nest-messaging/core/contract';
import type { Client, Position } from './driver/driver.js';

export interface TrimmingParts {
  readonly client: Client;
  readonly group: string;
  /** Which of its topics; those that nobody but this group works on. */
  readonly topics: readonly string[];
  readonly clock: Clock;
  /** Aborts when it is to end. */
  readonly signal: AbortSignal;
  /** Told once, if the user may not delete. */
  readonly warn: (message: string, error: unknown) => void;
}

/** Milliseconds between two looks. */
const EVERY = 60 * 60 * 1_000;
/** What is done stays so long, for whoever wants to look, or to replay it. */
const KEEP = 7 * 24 * 60 * 60 * 1_000;

/**
 * A queue keeps its messages until they are done, however long that takes, so that no retention time can be set for its
 * topic: it would grow for ever. Here what is both done and a week old is deleted. Every process does so; what another
 * has deleted is no error.
 */
export async function trim(parts: TrimmingParts): Promise<void> {
  const { clock, signal, topics } = parts;
  let warned = false;
  for (;;) {
    await pause(clock, EVERY, signal);
    if (signal.aborted) return;
    try {
      await trimOnce(parts);
      warned = false;
    } catch (error) {
      if (!warned && !signal.aborted)
        parts.warn(`what is done cannot be deleted from ${topics.join(', ')}, which therefore grow`, error);
      warned = true;
    }
  }
}

async function trimOnce({ client, group, topics, clock }: TrimmingParts): Promise<void> {
  const committed = await client.committed(group, topics);
  const before: Position[] = [];
  for (const topic of topics) {
    const young = await client.offsets(topic, clock.now() - KEEP);
    for (const { partition, offset } of committed.filter((one) => one.topic === topic)) {
      const upTo = Math.min(offset, young[partition] ?? 0);
      if (upTo > 0) before.push({ topic, partition, offset: upTo });
    }
  }
  if (before.length > 0) await client.deleteRecords(before);
}
