import { getEventListeners } from 'node:events';
import { describe, expect, it } from '@jest/globals';
import type { Work } from '../src/consumer.js';
import { createReceiver, type Intake, type Time } from '../src/intake.js';

const raw = { MessageId: 'm1', Body: '{}' };

function receiving(work: (leaving: AbortSignal) => Work) {
  const intake: Intake = { sources: new Map(), delays: false };
  const parts = { work: (_: unknown, leaving: AbortSignal) => work(leaving), maxInHand: 10 };
  const receiver = createReceiver(intake, 'orders', parts);
  const time: Time = { leaving: new AbortController().signal, over: new AbortController().signal };
  return { receiver, time, take: intake.sources.get('orders')!.take };
}

describe('what is handed over', () => {
  it('leaves nothing behind with what lives as long as the function', async () => {
    const leavings: AbortSignal[] = [];
    const { receiver, time, take } = receiving((leaving) => {
      leavings.push(leaving);
      return async () => async () => 'done';
    });
    expect(await take(raw, time)).toBe(true);
    expect(getEventListeners(time.leaving, 'abort')).toEqual([]);
    await receiver.stop();
    expect(leavings.map(({ aborted }) => aborted)).toEqual([false]);
  });

  it('hears that nothing more may begin when its consumer stops', async () => {
    const { receiver, time, take } = receiving((leaving) => async () => {
      await new Promise((resolve) => leaving.addEventListener('abort', resolve));
      return async () => ({ visibleAfter: 0 });
    });
    const taking = take(raw, time);
    await receiver.stop();
    expect(await taking).toBe(false);
    expect(await take(raw, time)).toBe(false);
  });
});
