import { setTimeout as soon } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Intake, Source, Time } from '../../src/intake.js';
import { handleRecords } from '../../src/lambda/batch.js';
import type { SqsRecord } from '../../src/lambda/event.js';

const STANDARD = 'arn:aws:sqs:eu-west-1:000000000000:orders';
const FIFO = 'arn:aws:sqs:eu-west-1:000000000000:orders.fifo';

const recordOf = (messageId: string, arn = STANDARD, group?: string): SqsRecord => ({
  messageId,
  receiptHandle: `handle of ${messageId}`,
  body: messageId,
  attributes: group === undefined ? {} : { MessageGroupId: group },
  messageAttributes: {},
  eventSource: 'aws:sqs',
  eventSourceARN: arn,
});

const never = new AbortController().signal;
const unlimited: Time = { leaving: never, over: never };

/** A source that tells what it has at a time, and fails what a test names. */
function sourceOf(failing: readonly string[] = [], maxInHand = 10) {
  const taken: string[] = [];
  let inHand = 0;
  let most = 0;
  const source: Source = {
    maxInHand,
    async take({ Body }) {
      taken.push(Body!);
      most = Math.max(most, ++inHand);
      await soon();
      inHand--;
      return !failing.includes(Body!);
    },
  };
  return {
    source,
    taken,
    get most() {
      return most;
    },
  };
}

const unknown = (arn: string): never => {
  throw new Error(`${arn} is unknown`);
};

async function run(
  sources: Record<string, Source>,
  records: readonly SqsRecord[],
  time: Time = unlimited,
  tell: (arn: string, count: number) => void = unknown,
): Promise<string[]> {
  const intake: Intake = { sources: new Map(Object.entries(sources)), delays: false };
  return (await handleRecords(intake, records, time, tell)).map(({ messageId }) => messageId);
}

describe('the records of an event', () => {
  it('are handed over at once, and those that fail are answered', async () => {
    const probe = sourceOf(['b', 'd']);
    expect(
      await run(
        { orders: probe.source },
        ['a', 'b', 'c', 'd', 'e'].map((id) => recordOf(id)),
      ),
    ).toEqual(['b', 'd']);
    expect(probe.most).toBe(5);
  });

  it('are no more at a time than the handler takes', async () => {
    const probe = sourceOf([], 2);
    expect(
      await run(
        { orders: probe.source },
        ['a', 'b', 'c', 'd', 'e'].map((id) => recordOf(id)),
      ),
    ).toEqual([]);
    expect(probe.most).toBe(2);
    expect(probe.taken).toEqual(['a', 'b', 'c', 'd', 'e']);
  });

  it('of one FIFO group come one after the other, and end at the first failure', async () => {
    const probe = sourceOf(['a2']);
    const records = [
      ['a1', 'A'],
      ['b1', 'B'],
      ['a2', 'A'],
      ['a3', 'A'],
      ['b2', 'B'],
      ['a4', 'A'],
    ].map(([id, group]) => recordOf(id!, FIFO, group));
    expect(await run({ 'orders.fifo': probe.source }, records)).toEqual(['a2', 'a3', 'a4']);
    expect(probe.taken.filter((id) => id.startsWith('a'))).toEqual(['a1', 'a2']);
    expect(probe.taken.filter((id) => id.startsWith('b'))).toEqual(['b1', 'b2']);
    expect(probe.most).toBe(2);
  });

  it('of a queue that nobody takes have all failed, and it is told once', async () => {
    const told: unknown[] = [];
    const failed = await run(
      { 'orders.fifo': sourceOf().source },
      [recordOf('a'), recordOf('b', FIFO, 'B'), recordOf('c')],
      unlimited,
      (...about) => told.push(about),
    );
    expect(failed).toEqual(['a', 'c']);
    expect(told).toEqual([['orders', 2]]);
  });

  it('that have not ended when time is over have failed', async () => {
    const over = new AbortController();
    const source: Source = {
      maxInHand: 10,
      async take({ Body }) {
        if (Body === 'quick') return true;
        over.abort();
        return new Promise(() => undefined);
      },
    };
    const records = [recordOf('quick'), recordOf('slow')];
    expect(await run({ orders: source }, records, { leaving: never, over: over.signal })).toEqual(['slow']);
  });
});
