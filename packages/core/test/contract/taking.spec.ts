import { describe, expect, it } from '@jest/globals';
import { sendTaken, takeOut, type DeadLetterHead } from '../../src/contract/index.js';
import { virtualClock } from '../../../testing/src/virtual-clock.js';

const reason = new Error('as the test wants it');

/** A broker that is away: who sends waits until he is told to give up. */
const away = (signal: AbortSignal): Promise<void> =>
  new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason as Error)));

describe('what is taken out of dead letters', () => {
  it('is waited for until the broker has confirmed it, and for no longer than ten seconds', async () => {
    const clock = virtualClock();
    const never = new AbortController().signal;
    await sendTaken(clock, never, async () => undefined);
    expect(clock.nextAt).toBeUndefined();
    let outcome: unknown;
    void sendTaken(clock, never, away).catch((error: unknown) => (outcome = error));
    await clock.advance('9s');
    expect(outcome).toBeUndefined();
    await clock.advance('1s');
    expect(outcome).toMatchObject({ code: 'CONNECTION', retryable: true });
  });

  it('is given up before, where it has been lost', async () => {
    const clock = virtualClock();
    const lost = new AbortController();
    const sending = sendTaken(clock, lost.signal, away);
    lost.abort(reason);
    await expect(sending).rejects.toBe(reason);
    await expect(sendTaken(clock, lost.signal, (signal) => Promise.reject(signal.reason))).rejects.toBe(
      reason,
    );
    expect(clock.nextAt).toBeUndefined();
  });

  it('is followed by no other once some could not be taken out', async () => {
    const letters = async function* () {
      for (let n = 0; n < 3; n++) yield { letter: { message: { id: `${n}` } } as DeadLetterHead };
    };
    const begun: string[] = [];
    const taking = takeOut(letters(), { select: () => Promise.resolve(true) }, async (some) => {
      begun.push(...some.map(({ letter }) => letter.message.id));
      return { gone: [], failure: { error: reason } };
    });
    await expect(taking).rejects.toBe(reason);
    expect(begun).toEqual(['0']);
  });
});
