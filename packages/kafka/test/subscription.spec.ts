import { describe, expect, it } from '@jest/globals';
import {
  systemClock,
  type Delivery,
  type Settlement,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import type { StoredRecord } from '../src/driver/driver.js';
import { workOn } from '../src/subscription.js';
import { deadLetter, retry } from './stage.js';

const record: StoredRecord = {
  topic: 'a',
  partition: 0,
  offset: 0,
  timestamp: 0,
  size: 2,
  key: null,
  value: Buffer.from('{}'),
  headers: [],
  texts: [],
  raw: undefined,
};

function play(settlement: Settlement, refusal?: Error) {
  const sent: string[] = [];
  const events: TransportEvent[] = [];
  let delivery!: Delivery;
  const { work } = workOn({
    owner: { service: 's' },
    subscription: {
      source: { kind: 'topic', name: 'a' },
      group: 'g',
      ordered: false,
      broadcast: false,
      maxUnsettled: 1,
    },
    what: 'it',
    names: { group: 'g.a', retry: 'retry', dead: 'dead' },
    delays: { group: 'g--delay', levels: [] },
    needs: [],
    handle: async (given) => {
      delivery = given;
      return settlement;
    },
    publisher: {
      async send(outgoing) {
        sent.push(outgoing.record().topic);
        if (refusal) throw refusal;
      },
      blocked: undefined,
      close: async () => {},
    },
    clock: systemClock,
    abandoned: new AbortController().signal,
    report: (event) => void events.push(event),
  });
  const [leaving, lost] = [new AbortController(), new AbortController()];
  return {
    sent,
    events,
    leaving,
    lost,
    run: work(record, { leaving: leaving.signal, lost: lost.signal }),
    delivery: () => delivery,
  };
}

describe('A subscription', () => {
  it('tells the engine for how long it has a record', async () => {
    const { run, delivery, leaving, lost } = play({ type: 'acknowledge' });
    await run();
    leaving.abort();
    expect([delivery().leaving?.aborted, delivery().lost?.aborted]).toEqual([true, false]);
    lost.abort();
    expect(delivery().lost?.aborted).toBe(true);
  });

  it('tells of a settlement that is refused, of which message and attempt, and keeps the record', async () => {
    const { run, leaving, events } = play(deadLetter(), new Error('no right to write'));
    const carryOut = await run();
    // Nothing is waited for before the next try.
    leaving.abort();
    expect(await carryOut()).toBe('kept');
    expect(events).toEqual([
      {
        type: 'settlement-failed',
        settlement: 'dead-letter',
        subscription: 'it',
        group: 'g',
        messageId: 'a/0/0',
        destination: { kind: 'topic', name: 'a' },
        attempt: 1,
        error: new Error('no right to write'),
      },
    ]);
  });

  it.each([
    ['retry', retry(0), 'retry'],
    ['dead letter', deadLetter(), 'dead'],
  ])('sends no %s of a record that another has by then', async (_, settlement, topic) => {
    const kept = play(settlement);
    expect(await (await kept.run())()).toBe('done');
    expect(kept.sent).toEqual([topic]);
    const gone = play(settlement);
    const carryOut = await gone.run();
    gone.leaving.abort();
    gone.lost.abort();
    expect(await carryOut()).toBe('kept');
    expect(gone.sent).toEqual([]);
  });
});
