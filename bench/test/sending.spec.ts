import { setImmediate } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import type { Contestant } from '../src/contestant.js';
import { messages } from '../src/message.js';
import { sendMany } from '../src/sending.js';

describe.each([
  [1, 4, 4],
  [3, 7, 2],
])('in batches of %d, %d at a time', (batch, atATime, sends) => {
  it('sends each message once, with as many on their way', async () => {
    const ids: number[] = [];
    let [underway, most] = [0, 0];
    const publisher = {
      async send(sent: readonly { readonly id: number }[]) {
        ids.push(...sent.map(({ id }) => id));
        underway += 1;
        most = Math.max(most, underway);
        await setImmediate();
        underway -= 1;
      },
      close: async () => {},
    };
    await sendMany({ batch } as Contestant, publisher, messages(200), { from: 10, to: 30, atATime });
    expect(ids.sort((a, b) => a - b)).toEqual(Array.from({ length: 20 }, (_, at) => 10 + at));
    expect(most).toBe(sends);
  });
});
