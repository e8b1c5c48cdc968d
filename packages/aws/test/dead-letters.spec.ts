import { describe, expect, it } from '@jest/globals';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { TransportEvent } from '@nest-messaging/core/contract';
import { virtualClock } from '../../testing/src/virtual-clock.js';
import { createDeadLetters } from '../src/dead-letters.js';
import type { Payloads } from '../src/payloads.js';
import type { Queues } from '../src/queues.js';
import type { Place, Sending } from '../src/sending.js';

const id = { source: { kind: 'queue', name: 'work' }, group: 'group' } as const;

const throttled = Object.assign(new Error('Rate exceeded'), {
  name: 'RequestThrottled',
  $metadata: { httpStatusCode: 403 },
});

/** What no emulator does: time passes while letters are in hand, a deletion fails, requests are throttled. */
function letters(...ids: string[]) {
  const clock = virtualClock();
  const there = new Set(ids);
  let visible = [...ids];
  const seconds: Record<string, number[]> = {};
  const sent: string[] = [];
  const failing = new Set<string>();
  const origins: Record<string, string> = {};
  const keys: Record<string, string> = {};
  const places: (Place & { readonly to: string })[] = [];
  /** What holds up answers to changes of visibility, by their seconds. */
  const held: { until?: (seconds: number) => Promise<unknown> } = {};
  const throttles = { requests: false, entries: new Set<string>() };
  let underway = 0;
  const most = { underway: 0 };
  const events: TransportEvent[] = [];
  const of = ({ ReceiptHandle }: any): string => ReceiptHandle.slice('handle of '.length);
  const answers: Record<string, (input: any) => object> = {
    GetQueueAttributesCommand: () => ({ Attributes: { ApproximateNumberOfMessages: `${visible.length}` } }),
    ReceiveMessageCommand: () => ({
      Messages: visible.splice(0, 10).map((MessageId) => ({
        MessageId,
        ReceiptHandle: `handle of ${MessageId}`,
        Body: MessageId,
        Attributes: { SentTimestamp: '1' },
        MessageAttributes: {
          ce: { DataType: 'String', StringValue: JSON.stringify({ id: MessageId }) },
          ...(MessageId in origins && {
            nm: {
              DataType: 'String',
              StringValue: JSON.stringify({
                to: { kind: 'queue', name: origins[MessageId] },
                key: keys[MessageId],
              }),
            },
          }),
        },
      })),
    }),
    async ChangeMessageVisibilityBatchCommand({ Entries }) {
      most.underway = Math.max(most.underway, ++underway);
      await new Promise((resolve) => setImmediate(resolve));
      await held.until?.(Entries[0].VisibilityTimeout);
      underway--;
      if (throttles.requests) throw throttled;
      const failed = Entries.filter((entry: any) => throttles.entries.has(of(entry)));
      const done = Entries.filter((entry: any) => !failed.includes(entry));
      for (const entry of done) {
        (seconds[of(entry)] ??= []).push(entry.VisibilityTimeout);
        if (entry.VisibilityTimeout === 0) visible.push(of(entry));
      }
      return {
        Successful: done.map(({ Id }: any) => ({ Id })),
        Failed: failed.map(({ Id }: any) => ({ Id, Code: 'RequestThrottled' })),
      };
    },
    DeleteMessageBatchCommand({ Entries }) {
      const failed = Entries.filter((entry: any) => failing.has(of(entry)));
      const done = Entries.filter((entry: any) => !failed.includes(entry));
      for (const entry of done) there.delete(of(entry));
      return {
        Successful: done.map(({ Id }: any) => ({ Id })),
        Failed: failed.map(({ Id }: any) => ({ Id, Code: 'InternalError' })),
      };
    },
  };
  const queue = (name: string) => ({ name, url: `https://sqs/${name}` });
  const store = createDeadLetters({
    owner: { service: 'service' },
    clock,
    report: (event) => events.push(event),
    closed: new AbortController().signal,
    sqs: {
      send: async (command: { constructor: { name: string }; input: unknown }) =>
        answers[command.constructor.name]!(command.input),
    } as unknown as SQSClient,
    queues: {
      find: async (name: string) => queue(name),
      ensure: async (name: string) => queue(name),
    } as unknown as Queues,
    sending: {
      toQueue: async (to: string, { body }: { body: string }, place: Place) => {
        sent.push(body);
        places.push({ ...place, to });
      },
    } as unknown as Sending,
    payloads: {} as Payloads,
  });
  return {
    clock,
    store,
    there,
    seconds,
    sent,
    places,
    failing,
    origins,
    keys,
    throttles,
    held,
    events,
    most,
  };
}

describe('dead letters in hand', () => {
  it('are kept from others for as long as a slow choice takes, and put back at its end', async () => {
    const { clock, store, seconds, sent, there } = letters('a', 'b', 'c');
    let answer!: (wanted: boolean) => void;
    const asked = new Promise<void>((resolve) => {
      const select = ({ message }: { message: { id: string } }): boolean | Promise<boolean> => {
        if (message.id !== 'b') return message.id === 'a';
        return new Promise<boolean>((decide) => {
          answer = decide;
          resolve();
        });
      };
      void store.redrive(id, { select }).then((count) => sent.push(`${count} in all`));
    });
    await asked;
    await clock.advance('10m');
    // What was chosen before is gone by then.
    expect([...there]).toEqual(['b', 'c']);
    expect(seconds).toEqual({ b: Array(6).fill(300), c: Array(6).fill(300) });
    answer(true);
    await clock.advance('1s');
    expect(sent).toEqual(['a', 'b', '2 in all']);
    expect(seconds['c']).toEqual([...Array(6).fill(300), 0]);
    await clock.advance('10m');
    expect(seconds['c']).toHaveLength(7);
  });

  it('are put back after a prolongation that is under way, which would hide them again', async () => {
    const { clock, store, seconds, held } = letters('a', 'b');
    let answer!: () => void;
    const prolonging = new Promise<void>((resolve) => {
      held.until = (wanted) => {
        resolve();
        return wanted > 0 ? new Promise<void>((done) => (answer = done)) : Promise.resolve();
      };
    });
    let choose!: () => void;
    const chosen = new Promise<boolean>((resolve) => (choose = () => resolve(false)));
    let looked!: Promise<number>;
    await new Promise<void>((asked) => {
      const select = (): Promise<boolean> => {
        asked();
        return chosen;
      };
      looked = store.redrive(id, { select });
    });
    await clock.advance('110s');
    await prolonging;
    choose();
    // Long enough for who does not wait: each step of this harness takes one turn.
    for (let turn = 0; turn < 50; turn++) await new Promise(setImmediate);
    answer();
    expect(await looked).toBe(0);
    expect(seconds).toEqual({ a: [300, 0], b: [300, 0] });
  });

  it('go into the group that a stranger gave them, in a queue with an order', async () => {
    const { store, origins, keys, places } = letters('a');
    Object.assign(origins, { a: 'work.fifo' });
    Object.assign(keys, { a: 'customer-1' });
    expect(await store.redrive(id)).toBe(1);
    expect(places).toMatchObject([{ to: 'https://sqs/work.fifo', key: 'customer-1' }]);
  });

  it('go to their own queue alone, whatever they say', async () => {
    const { store, sent, origins, there } = letters('a', 'b', 'c');
    Object.assign(origins, { a: 'work', b: 'another', c: 'work.fifo' });
    await expect(store.redrive(id)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
      message:
        "dead letter b comes from 'another', and queue 'work' is 'work' or 'work.fifo': give its own subscription",
    });
    expect(sent).toEqual(['a', 'c']);
    expect([...there]).toEqual(['b']);
  });

  it('that cannot be deleted when the subscription has them come twice, under one id', async () => {
    const { store, sent, failing, there } = letters('a', 'b');
    failing.add('b');
    await expect(store.redrive(id)).rejects.toMatchObject({ name: 'InternalError' });
    expect([...there]).toEqual(['b']);
    failing.clear();
    expect(await store.redrive(id)).toBe(1);
    expect(sent).toEqual(['a', 'b', 'b']);
    expect([...there]).toEqual([]);
  });

  it('that cannot be put back at once fail nobody who is done, and that is told', async () => {
    const { store, throttles, there, events } = letters('a', 'b', 'c', 'd');
    throttles.requests = true;
    expect(await store.redrive(id, { select: ({ message }) => message.id === 'a' })).toBe(1);
    expect([...there]).toEqual(['b', 'c', 'd']);
    expect(events).toEqual([
      {
        type: 'warning',
        message: expect.stringMatching(/work--dead .*: 3; .* within 300 s$/),
        error: throttled,
      },
    ]);
  });

  it('are looked at one by one for which could not be put back', async () => {
    const { store, throttles, seconds, events } = letters('a', 'b', 'c');
    throttles.entries.add('b');
    const found: string[] = [];
    for await (const { message } of store.browse(id)) found.push(message.id);
    expect(found).toEqual(['a', 'b', 'c']);
    expect(seconds).toEqual({ a: [0], c: [0] });
    expect(events).toMatchObject([
      { message: expect.stringContaining(': 1;'), error: { name: 'RequestThrottled' } },
    ]);
  });

  it('that cannot be put back hide no other failure', async () => {
    const { store, failing, throttles } = letters('a');
    failing.add('a');
    throttles.requests = true;
    await expect(store.redrive(id)).rejects.toMatchObject({ name: 'InternalError' });
  });

  it('are put back by a few requests at a time, however many they are', async () => {
    const { store, most, seconds } = letters(...Array.from({ length: 950 }, (_, n) => `m${n}`));
    for await (const _ of store.browse(id));
    expect(Object.keys(seconds)).toHaveLength(950);
    expect(most.underway).toBeGreaterThan(1);
    expect(most.underway).toBeLessThanOrEqual(10);
  });
});
