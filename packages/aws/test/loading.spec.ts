import { describe, expect, it } from '@jest/globals';
import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import { systemClock, type Settlement } from '@nest-messaging/core/contract';
import type { Payloads } from '../src/payloads.js';
import type { Sending } from '../src/sending.js';
import { workOn } from '../src/work.js';
import { until } from './support/stage.js';

const queue = { name: 'steps.fifo', url: 'http://host/steps.fifo' };
const never = new AbortController().signal;

const messageOf = (Body: string, MessageGroupId: string): SqsMessage => ({
  MessageId: Body,
  Body,
  Attributes: { MessageGroupId },
});

/** Hands over at once what a receive would bring, with bodies that come when a test says so. */
function received(ordered: boolean, messages: readonly SqsMessage[]) {
  const handled: string[] = [];
  const waiting = new Map<string, () => void>();
  const payloads = {
    load: (raw: SqsMessage) =>
      new Promise<SqsMessage>((resolve) => waiting.set(raw.Body!, () => resolve(raw))),
  } as unknown as Payloads;
  const work = workOn({
    owner: { service: 'service' },
    subscription: {
      source: { kind: 'topic', name: 'steps' },
      group: 'group',
      ordered,
      broadcast: false,
      maxUnsettled: 10,
    },
    what: 'steps',
    queue,
    dead: queue,
    async handle({ message }): Promise<Settlement> {
      handled.push(Buffer.from(message.body).toString());
      return { type: 'acknowledge' };
    },
    sending: {} as Sending,
    payloads,
    clock: systemClock,
    abandoned: never,
    report: () => undefined,
  });
  for (const raw of messages) void work(raw, never, never)();
  const arrive = async (body: string): Promise<void> => {
    await until(() => waiting.has(body), `${body} to be asked for`);
    waiting.get(body)!();
  };
  return { handled, waiting, arrive };
}

const messages = [messageOf('a1', 'A'), messageOf('a2', 'A'), messageOf('b1', 'B')];

describe('bodies that are still on their way', () => {
  it('hold up those of their key alone, where order counts', async () => {
    const { handled, waiting, arrive } = received(true, messages);
    await arrive('b1');
    await until(() => handled.length === 1, 'the other key');
    expect([...waiting.keys()].sort()).toEqual(['a1', 'b1']);
    await arrive('a1');
    await arrive('a2');
    await until(() => handled.length === 3, 'all');
    expect(handled).toEqual(['b1', 'a1', 'a2']);
  });

  it('hold up nobody elsewhere', async () => {
    const { handled, arrive } = received(false, messages);
    for (const body of ['a2', 'b1']) await arrive(body);
    await until(() => handled.length === 2, 'both');
    expect(handled).toEqual(['a2', 'b1']);
  });
});
