import { describe, expect, it } from '@jest/globals';
import type { Clock, Subscription, Transport } from '@nest-messaging/core/contract';
import { createBacklogs } from '../../src/engine/backlog.js';
import { clockSetBack } from '../support/clock-set-back.js';
import { virtualClock } from '../../../testing/src/virtual-clock.js';

const subscription: Subscription = {
  source: { kind: 'queue', name: 'mails' },
  group: 'shop',
  ordered: false,
  broadcast: false,
  maxUnsettled: 1,
};

/** A transport of which nothing else is asked. */
const telling = (backlog: () => Promise<number>): Transport => ({ name: 'stub', backlog }) as never;

/** Answers how often the broker was asked by then. */
function counting(clock: Clock): () => Promise<number | undefined> {
  let asked = 0;
  const backlogs = createBacklogs(
    telling(async () => ++asked),
    () => [subscription],
    clock,
  );
  return async () => (await backlogs())[0]!.messages;
}

describe('backlogs', () => {
  it('keep nobody waiting for a broker that does not answer', async () => {
    const clock = virtualClock();
    const backlogs = createBacklogs(
      telling(() => new Promise(() => undefined)),
      () => [subscription],
      clock,
    );
    const asking = backlogs();
    await clock.advance(5_000);
    expect(await asking).toEqual([
      { name: "queue 'mails'", reason: 'ConnectionError: stub did not answer within 5000 ms' },
    ]);
  });

  it('are asked for anew when they are five seconds old, and not before', async () => {
    const clock = virtualClock();
    const messages = counting(clock);
    expect(await messages()).toBe(1);
    await clock.advance(4_999);
    expect(await messages()).toBe(1);
    await clock.advance(1);
    expect(await messages()).toBe(2);
  });

  it('are asked for anew where the clock was set back', async () => {
    const { clock, setBack } = clockSetBack();
    const messages = counting(clock);
    expect(await messages()).toBe(1);
    setBack(60_000);
    expect(await messages()).toBe(2);
  });
});
