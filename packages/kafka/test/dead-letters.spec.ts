import { describe, expect, it } from '@jest/globals';
import {
  systemClock,
  withinSignal,
  type Clock,
  type DeadLetterStore,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { virtualClock } from '../../testing/src/virtual-clock.js';
import { createDeadLetters } from '../src/dead-letters.js';
import { DriverError } from '../src/driver/driver-error.js';
import type { Client, Fetched, Position, StoredRecord } from '../src/driver/driver.js';
import { requestError } from '../src/errors.js';
import type { Publisher } from '../src/publisher.js';
import { rightsOf } from '../src/rights.js';
import { subscriptionNames } from '../src/topology.js';

const owner = { namespace: 'prod', service: 'shop' };
const id = { group: 'shop', source: { kind: 'topic', name: 'order.placed' } } as const;
const { dead: topic } = subscriptionNames(owner, id);

const record = (offset: number): StoredRecord => ({
  topic,
  partition: 0,
  offset,
  timestamp: offset,
  size: 0,
  key: null,
  value: Buffer.from('{}'),
  headers: [],
  texts: [['ce_id', `${offset}`]],
  raw: undefined,
});

/** A partition of four records, of which some cannot be had. @param answers by the offset that is asked for */
function letters(
  answers: Readonly<Record<number, Partial<Fetched>>>,
  { refusal, clock = systemClock }: { readonly refusal?: Error; readonly clock?: Clock } = {},
) {
  const deleted: Position[] = [];
  const events: TransportEvent[] = [];
  const client = {
    leaders: async () => new Map([[topic, [1]]]),
    offsets: async (_topic: string, at: string) => [at === 'earliest' ? 0 : 4],
    fetch: async (_node: number, [{ offset }]: readonly [Position]): Promise<Fetched[]> => [
      { topic, partition: 0, offset, records: [], next: offset, end: 4, passedOver: [], ...answers[offset] },
    ],
    async deleteRecords(before: readonly Position[]) {
      if (refusal) throw refusal;
      deleted.push(...before);
    },
  } as unknown as Client;
  const store = createDeadLetters({
    owner,
    client,
    publisher: { send: async () => undefined } as unknown as Publisher,
    clock,
    report: (event) => events.push(event),
    closed: new AbortController().signal,
  });
  return { store, client, deleted, events };
}

const whole = { 0: { records: [0, 1, 2, 3].map(record), next: 4 } };

describe('A look at dead letters', () => {
  const all = async (store: DeadLetterStore, look: 'browse' | 'redrive' | 'purge'): Promise<void> => {
    if (look !== 'browse') await store[look](id);
    else for await (const { message } of store.browse(id)) expect(message.id).toBeUndefined();
  };

  it.each([
    ['browse', 'has no leader', new Map([[topic, [-1]]]), `partition 0 of '${topic}' has no leader`],
    ['redrive', 'has no leader', new Map([[topic, [-1]]]), `partition 0 of '${topic}' has no leader`],
    ['purge', 'is deleted meanwhile', new Map(), `topic '${topic}' is not there any more`],
  ] as const)(
    'ends %s in bounded time, and says what is missing, where it %s',
    async (look, _, then, text) => {
      const clock = virtualClock();
      const { store, client } = letters(whole, { clock });
      const ranges = client.leaders;
      client.leaders = async (topics) => {
        client.leaders = async () => then as Map<string, number[]>;
        return ranges(topics);
      };
      const outcome = all(store, look).catch((error: unknown) => error);
      await clock.advance(20_000);
      const error = await withinSignal(outcome, AbortSignal.timeout(2_000));
      expect(error).toMatchObject({ code: 'LEADER_NOT_AVAILABLE', message: text });
      expect(requestError(['kafka:9092'], 'group', 'what', error)).toMatchObject({
        code: 'CONNECTION',
        retryable: true,
        message: `Kafka at kafka:9092 is there, but ${text}`,
      });
    },
  );

  it('goes on where a partition has a leader again', async () => {
    const clock = virtualClock();
    const { store, client } = letters(whole, { clock });
    const ranges = client.leaders;
    const start = clock.now();
    let looks = 0;
    client.leaders = async (topics) =>
      looks++ > 0 && clock.now() - start < 8_000 ? new Map([[topic, [-1]]]) : ranges(topics);
    const purged = store.purge(id);
    await clock.advance(20_000);
    expect(await purged).toBe(4);
  });
});

describe('What is gone from a topic of dead letters', () => {
  it('is deleted up to the first that is left', async () => {
    const all = letters(whole);
    expect(await all.store.purge(id)).toBe(4);
    expect(all.deleted).toEqual([{ topic, partition: 0, offset: 4 }]);
    const some = letters(whole);
    expect(await some.store.purge(id, { select: ({ message }) => message.id !== '2' })).toBe(3);
    expect(some.deleted).toEqual([{ topic, partition: 0, offset: 2 }]);
  });

  it('is deleted no further than was read: what nobody may see yet is left', async () => {
    const { store, deleted } = letters({ 0: { records: [record(0), record(1)], next: 2 } });
    expect(await store.purge(id)).toBe(2);
    expect(deleted).toEqual([{ topic, partition: 0, offset: 2 }]);
  });

  it('is not deleted with a batch that could not be read', async () => {
    const passedOver = [new DriverError('BATCH_TOO_LARGE', 'too large', { retryable: false })];
    const { store, deleted } = letters({
      0: { records: [record(0)], next: 1 },
      1: { records: [record(3)], next: 4, passedOver },
    });
    expect(await store.redrive(id)).toBe(2);
    expect(deleted).toEqual([{ topic, partition: 0, offset: 1 }]);
  });

  it('lies there still where it may not be deleted, which is told', async () => {
    const { store, events } = letters(whole, { refusal: new Error('no') });
    expect(await store.purge(id)).toBe(4);
    expect(events).toMatchObject([{ type: 'warning', message: expect.stringContaining(topic) }]);
  });

  it('may be deleted by whom has the least rights', () => {
    const subscription = { ...id, ordered: false, broadcast: false, maxUnsettled: 1 };
    for (const topology of ['create', 'validate', 'none'] as const) {
      const usage = { subscriptions: [subscription], publications: [], delays: false };
      const { granted } = rightsOf(owner, usage, topology, 'kafka:9092');
      const acls = granted as readonly { name: string; operations: readonly string[] }[];
      expect(acls.find(({ name }) => name === topic)?.operations).toContain('Delete');
    }
  });
});
