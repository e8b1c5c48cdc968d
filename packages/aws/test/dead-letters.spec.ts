import { describe, expect, it } from '@jest/globals';
import type { SQSClient } from '@aws-sdk/client-sqs';
import { virtualClock } from '../../testing/src/virtual-clock.js';
import { createDeadLetters } from '../src/dead-letters.js';
import type { Payloads } from '../src/payloads.js';
import type { Queues } from '../src/queues.js';
import type { Sending } from '../src/sending.js';

const id = { source: { kind: 'queue', name: 'work' }, group: 'group' } as const;

/** What no emulator does: time passes while letters are in hand, and a deletion fails. */
function letters(...ids: string[]) {
  const clock = virtualClock();
  const there = new Set(ids);
  let visible = [...ids];
  const seconds: Record<string, number[]> = {};
  const sent: string[] = [];
  const failing = new Set<string>();
  const origins: Record<string, string> = {};
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
              StringValue: JSON.stringify({ to: { kind: 'queue', name: origins[MessageId] } }),
            },
          }),
        },
      })),
    }),
    ChangeMessageVisibilityBatchCommand({ Entries }) {
      for (const { ReceiptHandle, VisibilityTimeout } of Entries) {
        const one = ReceiptHandle.slice('handle of '.length) as string;
        (seconds[one] ??= []).push(VisibilityTimeout);
        if (VisibilityTimeout === 0) visible.push(one);
      }
      return {};
    },
    DeleteMessageBatchCommand({ Entries }) {
      const of = ({ ReceiptHandle }: any): string => ReceiptHandle.slice('handle of '.length);
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
      toQueue: async (_: string, { body }: { body: string }) => void sent.push(body),
    } as unknown as Sending,
    payloads: {} as Payloads,
  });
  return { clock, store, there, seconds, sent, failing, origins };
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

  it('go to their own queue alone, whatever they say', async () => {
    const { store, sent, origins, there } = letters('a', 'b', 'c');
    Object.assign(origins, { a: 'work', b: 'another', c: 'work.fifo' });
    await expect(store.redrive(id)).rejects.toMatchObject({
      code: 'INVALID_MESSAGE',
      message: "dead letter b comes from 'another', and queue 'work' is 'work' or 'work.fifo': give its own subscription",
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
});
