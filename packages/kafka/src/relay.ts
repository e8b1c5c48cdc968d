import { pause, type Clock, type TransportEvent } from '@nest-messaging/core/contract';
import { askForEach } from './ask-for-each.js';
import { createConsumer, type Consumer, type End, type Hold, type Work } from './consumer.js';
import { longestStep, nextHop } from './delays.js';
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

/** Behind its time by so many milliseconds, a record must have been passed on by a relay that ran. */
const OVERDUE_FOR = 60 * 60 * 1_000;

type Waiting = NonNullable<ReturnType<typeof readDelayed>>;

/** Reads what waits, and passes it on when its time has come: to the next level, or to where it is due. */
export function createRelay(parts: RelayParts): Consumer {
  const { client, names, publisher, clock, report } = parts;

  /** To where the rest of its delay leads, or to where it is due. */
  const pass = ({ record, to }: Waiting, due: number): Promise<void> =>
    publisher.send(
      {
        record: () => {
          const hop = nextHop(due, clock.now());
          return hop
            ? delayed(record, { topic: names.levels[hop.level]!, due, until: hop.until, to })
            : record;
        },
        needs: parts.needs,
      },
      parts.abandoned,
    );

  /** Put there by someone else: it says neither when nor where. */
  const passOver = ({ topic, partition, offset }: StoredRecord): void =>
    report({
      type: 'warning',
      message: `a record in '${topic}' was not put there by the module, and is passed over: partition ${partition}, offset ${offset}`,
    });

  const forward = async (record: StoredRecord, leaving: AbortSignal): Promise<End> => {
    const waiting = readDelayed(record);
    if (!waiting) {
      passOver(record);
      return 'done';
    }
    try {
      await pass(waiting, waiting.due);
    } catch (error) {
      if (parts.abandoned.aborted) return 'kept';
      parts.warn(`what is due in '${waiting.to}' cannot be passed on there; it is tried again`, error);
      const later = clock.now() + AGAIN_AFTER;
      // It waits elsewhere meanwhile: nothing stands behind it.
      try {
        await pass(waiting, later);
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

  let told = false;

  /**
   * Kafka forgets the positions of a group without members, after 7 days by default. Where there are none, and what has
   * left its level long ago lies there still, nobody knows what of it was passed on.
   */
  const tellForgotten = async (): Promise<void> => {
    if (told || (await client.committed(names.group, names.levels)).length > 0) return;
    const overdue = await askForEach([...names.levels.entries()], async ([level, topic]) => {
      try {
        const [[first = 0], [young = 0]] = await Promise.all([
          client.offsets(topic, 'earliest'),
          client.offsets(topic, clock.now() - longestStep(level) - OVERDUE_FOR),
        ]);
        return young > first;
      } catch {
        // Then it is not read now either, and why is told by that.
        return false;
      }
    });
    if (told || !overdue.includes(true)) return;
    told = true;
    report({
      type: 'warning',
      message: `Kafka has forgotten the positions of '${names.group}', as it does after offsets.retention.minutes without a process: what waits there still is passed on, and what was passed on before comes again, under the same id`,
    });
  };

  const onGap = (): void =>
    report({ type: 'gap', message: `what waited in '${names.group}' was deleted before it was due` });

  return createConsumer({
    client,
    join: parts.join,
    async positions(partitions) {
      const [positions] = await Promise.all([
        resume({ client, group: names.group, partitions, onGap }),
        tellForgotten(),
      ]);
      return positions;
    },
    work,
    // At its own level it would stand behind those that have just come, and wait with them for as long as each waits there.
    handBack: async (record) => {
      const waiting = readDelayed(record);
      if (waiting) await pass(waiting, waiting.due);
      else passOver(record);
    },
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
