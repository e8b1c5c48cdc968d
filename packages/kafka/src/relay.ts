import { pause, type Clock, type TransportEvent } from '@nest-messaging/core/contract';
import { createConsumer, type Consumer, type End, type Hold, type Work } from './consumer.js';
import { nextHop } from './delays.js';
import type { Client, NewTopic, StoredRecord } from './driver/driver.js';
import type { Holder, Membership } from './group/membership.js';
import { resume } from './positions.js';
import type { Publisher } from './publisher.js';
import type { DelayNames } from './topology.js';
import { delayed, readDelayed } from './wire.js';

export interface RelayParts {
  readonly client: Client;
  readonly names: DelayNames;
  /** What it needs to pass things on from level to level. */
  readonly needs: readonly NewTopic[];
  readonly join: (holder: Holder) => Membership;
  readonly publisher: Publisher;
  readonly clock: Clock;
  /** Aborts when the transport waits for nothing more. */
  readonly abandoned: AbortSignal;
  readonly report: (event: TransportEvent) => void;
  readonly warn: (message: string, error: unknown) => void;
}

/** Of each level, kept in memory while it waits: at the longest for days. */
const HELD_BYTES = 16 * 1024 * 1024;
/** What cannot be passed on, such as to a topic that was deleted, tries again after so many milliseconds. */
const AGAIN_AFTER = 60_000;

/** Reads what waits, and passes it on when its time has come: to the next level, or to where it is due. */
export function createRelay(parts: RelayParts): Consumer {
  const { client, names, publisher, clock, report } = parts;

  const forward = async (record: StoredRecord, leaving: AbortSignal): Promise<End> => {
    const waiting = readDelayed(record);
    // Put there by someone else: it says neither when nor where.
    if (!waiting) {
      report({
        type: 'warning',
        message: `a record in '${record.topic}' was not put there by the module, and is passed over: partition ${record.partition}, offset ${record.offset}`,
      });
      return 'done';
    }
    const { due, to, record: inner } = waiting;
    const pass = (at: () => number): Promise<void> =>
      publisher.send(
        {
          record: () => {
            const hop = nextHop(at(), clock.now());
            return hop
              ? delayed(inner, { topic: names.levels[hop.level]!, due: at(), until: hop.until, to })
              : inner;
          },
          needs: parts.needs,
        },
        parts.abandoned,
      );
    try {
      await pass(() => due);
    } catch (error) {
      if (parts.abandoned.aborted) return 'kept';
      parts.warn(`what is due in '${to}' cannot be passed on there; it is tried again`, error);
      const later = clock.now() + AGAIN_AFTER;
      // It waits elsewhere meanwhile: nothing stands behind it.
      try {
        await pass(() => later);
      } catch {
        await pause(clock, AGAIN_AFTER, leaving);
        return leaving.aborted ? 'kept' : 'again';
      }
    }
    return 'done';
  };

  const work =
    (record: StoredRecord, { leaving }: Hold): Work =>
    async () => {
      const until = readDelayed(record)?.until ?? 0;
      await pause(clock, until - clock.now(), leaving);
      return async () => (leaving.aborted && until > clock.now() ? 'kept' : forward(record, leaving));
    };

  const onGap = (): void =>
    report({ type: 'gap', message: `what waited in '${names.group}' was deleted before it was due` });

  return createConsumer({
    client,
    join: parts.join,
    positions: (partitions) =>
      resume({
        client,
        group: names.group,
        partitions,
        onGap,
      }),
    work,
    handBack: ({ topic, partition, key, value, headers }) =>
      publisher.send(
        { record: () => ({ topic, partition, key, value, headers }), needs: parts.needs },
        parts.abandoned,
      ),
    // As many of each level as a consumer holds of a partition: those behind them are due later anyway. A limit for all
    // together would let what waits for days hold up what waits for a second.
    maxInHand: Number.POSITIVE_INFINITY,
    maxBytesInHand: HELD_BYTES,
    onGap,
    onPassedOver: (message, error) => report({ type: 'gap', message, error }),
    warn: parts.warn,
    clock,
  });
}
