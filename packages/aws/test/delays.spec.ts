import { beforeEach, describe, expect, it } from '@jest/globals';
import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import {
  PublishRejectedError,
  type Clock,
  type OutgoingMessage,
  type Settlement,
} from '@nest-messaging/core/contract';
import type { Payloads } from '../src/payloads.js';
import type { Queues } from '../src/queues.js';
import { relayOn } from '../src/relay.js';
import type { Place, Sending } from '../src/sending.js';
import type { Topics } from '../src/topics.js';
import { toParcel, type Marks, type Parcel } from '../src/wire.js';
import { delaySeconds, workOn } from '../src/work.js';

/** Delays longer than SQS's own 15 minutes, on a clock of the test's. */

const MINUTE = 60_000;

interface Sent {
  readonly to: string;
  readonly parcel: Parcel;
  readonly place: Place;
  /** Seconds. */
  readonly delay: number;
}

let now: number;
let sent: Sent[];

const clock: Clock = {
  now: () => now,
  schedule: (run, ms) => {
    now += ms;
    const soon = setImmediate(run);
    return () => clearImmediate(soon);
  },
};

const sending: Sending = {
  toTopic: async (to, parcel, place) => void sent.push({ to, parcel, place, delay: 0 }),
  toQueue: async (to, parcel, place, delay) => void sent.push({ to, parcel, place, delay }),
  close: async () => {},
};

beforeEach(() => {
  now = 1_700_000_000_000;
  sent = [];
});

const message: OutgoingMessage = {
  id: 'm1',
  destination: { kind: 'topic', name: 'review.due' },
  body: Buffer.from('{}'),
  contentType: 'application/json',
  headers: { colour: 'red' },
  delay: 0,
  ordered: false,
};

/** As SQS would hand over what was sent, when its own delay is over. */
const arrive = ({ parcel, delay }: Pick<Sent, 'parcel' | 'delay'>): SqsMessage => {
  now += delay * 1_000;
  return { MessageId: `s${sent.length}`, Body: parcel.body, MessageAttributes: { ...parcel.attributes } };
};

const never = new AbortController().signal;
const queue = { name: 'shop_billing--delay', url: 'http://sqs/shop_billing--delay' };
const owner = { namespace: 'shop', service: 'billing' };

describe('a delay of two hours', () => {
  const first = (marks: Marks): Pick<Sent, 'parcel' | 'delay'> => ({
    parcel: toParcel(message, marks),
    delay: delaySeconds(marks.due! - now),
  });

  it('of an event is spent in steps of 15 minutes, and then it is published once', async () => {
    const work = relayOn({
      owner,
      queue,
      topics: { ensure: async (name: string) => `arn:aws:sns:eu-west-1:1:${name}` } as unknown as Topics,
      queues: {} as unknown as Queues,
      sending,
      clock,
      abandoned: never,
      warn: () => expect(true).toBe(false),
    });
    const due = now + 120 * MINUTE;
    let next = first({ due, to: { kind: 'topic', name: 'shop_review_due' } });
    for (let step = 1; step <= 8; step++) {
      expect(next.delay).toBe(900);
      const carryOut = await work(arrive(next), never)();
      expect(await carryOut()).toBe('done');
      next = sent.at(-1)!;
    }
    expect(sent).toHaveLength(8);
    expect(now).toBeGreaterThanOrEqual(due);
    expect(sent.at(-1)).toMatchObject({
      to: 'arn:aws:sns:eu-west-1:1:shop_review_due',
      place: { deduplication: 'm1' },
      parcel: { attributes: { colour: { StringValue: 'red' } } },
    });
    expect(sent.at(-1)!.parcel.attributes['nm']).toBeUndefined();
    // Each copy on the way has an id of its own, or a FIFO queue would drop it.
    expect(new Set(sent.map(({ place }) => place.deduplication)).size).toBe(8);
  });

  it('of an event is over in a topic that was deleted meanwhile: it is made anew at the next try', async () => {
    const missing = Object.assign(new Error('no such topic'), { name: 'NotFound' });
    let there = false;
    const forgotten: string[] = [];
    const warnings: string[] = [];
    const work = relayOn({
      owner,
      queue,
      topics: {
        ensure: async (name: string) => `arn:aws:sns:eu-west-1:1:${name}`,
        forget(name: string) {
          forgotten.push(name);
          there = true;
        },
      } as unknown as Topics,
      queues: {} as unknown as Queues,
      sending: {
        ...sending,
        toTopic: async (...given) => {
          if (!there) throw new PublishRejectedError('no such topic', { cause: missing });
          return sending.toTopic(...given);
        },
      },
      clock,
      abandoned: never,
      warn: (text) => warnings.push(text),
    });
    const due = arrive(first({ due: now, to: { kind: 'topic', name: 'shop_review_due' } }));
    expect(await (await work(due, never)())()).toEqual({ visibleAfter: 60_000 });
    expect(forgotten).toEqual(['shop_review_due']);
    expect(await (await work(due, never)())()).toBe('done');
    expect([sent.length, warnings.length]).toEqual([1, 1]);
  });

  it('of a retry is spent in the subscription’s own queue, at the same attempt', async () => {
    const seen: number[] = [];
    const settlements: Settlement[] = [
      { type: 'retry', delay: 120 * MINUTE, failure: { name: 'E', message: 'e', at: now } },
      { type: 'acknowledge' },
    ];
    const work = workOn({
      owner,
      subscription: {
        source: message.destination,
        group: 'billing',
        ordered: false,
        broadcast: false,
        maxUnsettled: 1,
      },
      what: 'it',
      queue: { name: 'shop_billing_review_due', url: 'own' },
      dead: { name: 'dead', url: 'dead' },
      handle: async ({ attempt }) => {
        seen.push(attempt);
        return settlements.shift()!;
      },
      sending,
      payloads: { load: async (raw: SqsMessage) => raw } as unknown as Payloads,
      clock,
      abandoned: never,
      report: () => expect(true).toBe(false),
    });
    let next: Pick<Sent, 'parcel' | 'delay'> = { parcel: toParcel(message), delay: 0 };
    const start = now;
    while (seen.length < 2) {
      const carryOut = await work(arrive(next), never, never)();
      expect(await carryOut()).toBe('done');
      next = sent.at(-1)!;
      expect(sent.at(-1)!.to).toBe('own');
    }
    expect(seen).toEqual([1, 2]);
    expect(now - start).toBe(120 * MINUTE);
    expect(sent.map(({ delay }) => delay)).toEqual(Array.from({ length: 8 }, () => 900));
  });
});
