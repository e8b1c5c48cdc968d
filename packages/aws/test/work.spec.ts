import { describe, expect, it } from '@jest/globals';
import { systemClock, type TransportEvent } from '@nest-messaging/core/contract';
import type { Payloads } from '../src/payloads.js';
import type { Sending } from '../src/sending.js';
import { workOn } from '../src/work.js';

const never = new AbortController().signal;
const queue = (name: string) => ({ name, url: `http://host/${name}` });

describe('a settlement that cannot be carried out', () => {
  it('is told, of which message and attempt, and the message comes again', async () => {
    const events: TransportEvent[] = [];
    const error = new Error('no right to send');
    const failure = { name: 'Error', message: 'no', at: 1_700_000_000_000 };
    const work = workOn({
      owner: { service: 'service' },
      subscription: {
        source: { kind: 'topic', name: 'orders' },
        group: 'group',
        ordered: false,
        broadcast: false,
        maxUnsettled: 1,
      },
      what: "topic 'orders' of group 'group'",
      queue: queue('orders'),
      dead: queue('orders--dead'),
      handle: async () => ({ type: 'dead-letter', failure, attempts: 3 }),
      sending: { toQueue: () => Promise.reject(error) } as unknown as Sending,
      payloads: { load: async (raw: unknown) => raw } as unknown as Payloads,
      clock: systemClock,
      abandoned: never,
      report: (event) => void events.push(event),
    });
    const marks = { DataType: 'String', StringValue: JSON.stringify({ attempt: 3 }) };
    const raw = { MessageId: 'm1', Body: '{}', MessageAttributes: { nm: marks } };
    const carryOut = await work(raw, never, never)();
    expect(await carryOut()).toEqual({ visibleAfter: 1_000 });
    expect(events).toEqual([
      {
        type: 'settlement-failed',
        settlement: 'dead-letter',
        subscription: "topic 'orders' of group 'group'",
        group: 'group',
        messageId: 'm1',
        destination: { kind: 'topic', name: 'orders' },
        attempt: 3,
        error,
      },
    ]);
  });
});
