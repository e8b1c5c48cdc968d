import { describe, expect, it } from '@jest/globals';
import type { TransportEvent } from '@nest-messaging/core/contract';
import { virtualClock, type VirtualClock } from '../../testing/src/virtual-clock.js';
import type { Consumer } from '../src/consumer.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, NewRecord, Position, StoredRecord } from '../src/driver/driver.js';
import { createRelay } from '../src/relay.js';
import { delayNames } from '../src/topology.js';
import { delayed, readDelayed } from '../src/wire.js';
import { until } from './stage.js';

const names = delayNames({}, 's');

/** What waits at a level, as it lies there. */
function waiting(level: number, offset: number, due: number, leaves = due): StoredRecord {
  const topic = names.levels[level]!;
  const inner = { topic: 'a', key: null, value: Buffer.from('{}'), headers: [] };
  return stored(delayed(inner, { topic, due, until: leaves, to: 'a' }), offset);
}

const stored = (record: NewRecord, offset = 0): StoredRecord => ({
  ...record,
  headers: record.headers as StoredRecord['headers'],
  texts: record.headers.map(([name, value]) => [name, String(value)]),
  partition: 0,
  offset,
  timestamp: 0,
  size: 2,
  raw: undefined,
});

interface Play {
  readonly relay: Consumer;
  readonly sent: NewRecord[];
  readonly committed: number[];
  readonly events: TransportEvent[];
}

/** A relay of one level whose broker is the test. @param send what becomes of what is sent */
function play(
  clock: VirtualClock,
  level: number,
  records: readonly StoredRecord[],
  {
    send = async () => {},
    client,
  }: { send?: (sent: number) => Promise<void>; client?: Partial<Client> } = {},
): Play {
  const topic = names.levels[level]!;
  const sent: NewRecord[] = [];
  const committed: number[] = [];
  const events: TransportEvent[] = [];
  const end = records.length;
  const relay = createRelay({
    client: {
      committed: async () => [],
      offsets: async () => [0],
      leaders: async () => new Map([[topic, [1]]]),
      fetch: async (_node: number, [{ offset }]: [Position]) => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        return [{ topic, partition: 0, offset, records: records.slice(offset), next: end, end }];
      },
      close: async () => {},
      ...client,
    } as unknown as Client,
    names,
    needs: [],
    join: (holder) => ({
      start: async () => holder.assigned([{ topic, partition: 0 }]),
      problem: undefined,
      commit: async ([{ offset }]: readonly [Position]) => {
        committed.push(offset);
        return [undefined];
      },
      leave: async () => {},
    }),
    publisher: {
      send: async ({ record }) => {
        sent.push(record());
        await send(sent.length);
      },
      blocked: undefined,
      close: async () => {},
    },
    clock,
    abandoned: new AbortController().signal,
    report: (event) => events.push(event),
    warn: () => {},
  } as Parameters<typeof createRelay>[0]);
  return { relay, sent, committed, events };
}

describe('A relay', () => {
  it('tries again what it could neither pass on nor put off', async () => {
    const clock = virtualClock(1_000_000);
    const { relay, sent, committed } = play(clock, 0, [waiting(0, 0, 900_000)], {
      send: async (count) => {
        if (count <= 2) throw new DriverError('TOPIC_AUTHORIZATION_FAILED', 'no', { retryable: false });
      },
    });
    await relay.start();
    // What is due already still waits for a timer.
    await until(() => clock.advance(1).then(() => sent.length === 2), 'both attempts', 5_000);
    await clock.advance(60_000);
    await until(() => clock.advance(1).then(() => sent.length === 3), 'another one', 2_000);
    expect(sent[2]!.topic).toBe('a');
    await relay.stop();
    expect(committed).toEqual([1]);
  });

  it('hands back what still waits as it stops to the level for what is left of its delay', async () => {
    const clock = virtualClock(1_000_000);
    const due = clock.now() + 9_000;
    // The second one, which is done, would come again if the first were kept before it.
    const { relay, sent, committed } = play(clock, 4, [waiting(4, 0, due), waiting(4, 1, 900_000)]);
    await relay.start();
    await until(() => clock.advance(1).then(() => sent.length === 1), 'the second one', 5_000);
    await relay.stop();
    expect(sent).toHaveLength(2);
    expect(sent[1]!.topic).toBe(names.levels[2]);
    expect(readDelayed(stored(sent[1]!))).toMatchObject({ due, to: 'a', until: clock.now() + 8_000 });
    expect(committed.at(-1)).toBe(2);
  });

  it.each([
    ['and what should have left its level long ago lies there still, it warns', [], 1, 1],
    ['and it is new, it says nothing', [], 0, 0],
    [
      'or not all of them, it says nothing',
      [{ topic: names.levels[3]!, partition: 0, offset: 1, metadata: '' }],
      1,
      0,
    ],
  ])('where it has no positions %s', async (_, committed, old, warnings) => {
    const clock = virtualClock(1_000_000);
    const asked: number[] = [];
    const { relay, sent, events } = play(clock, 0, [waiting(0, 0, 900_000)], {
      client: {
        committed: async () => committed,
        offsets: async (topic, at) => {
          if (typeof at === 'number' && topic === names.levels[1]) asked.push(at);
          return [typeof at === 'number' ? old : 0];
        },
      },
    });
    await relay.start();
    await until(() => clock.advance(1).then(() => sent.length === 1), 'what waits to be passed on', 5_000);
    expect(events).toEqual(
      Array.from({ length: warnings }, () => ({
        type: 'warning',
        message: expect.stringMatching(/has forgotten the positions of 's--delay'/),
      })),
    );
    expect(asked).toEqual(committed.length > 0 ? [] : [1_000_000 - 1_000 - 3_600_000]);
    await relay.stop();
  });
});
