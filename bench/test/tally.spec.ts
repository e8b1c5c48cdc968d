import { describe, expect, it } from '@jest/globals';
import { messages } from '../src/message.js';
import { broken, tally } from '../src/tally.js';

const message = messages(200);
const nothing = async (): Promise<void> => {};

describe('a tally', () => {
  it('is whole once each message was handled, however often', async () => {
    const { handle, count } = tally(2, nothing);
    for (const id of [0, 1, 1]) await handle(message(id));
    expect(count()).toEqual({ expected: 2, handled: 2, repeated: 1, foreign: 0 });
    expect(broken(count())).toBeUndefined();
  });

  it('is broken by a message that is missing, though another came twice', async () => {
    const { handle, count } = tally(2, nothing);
    for (const id of [0, 0]) await handle(message(id));
    expect(broken(count())).toBe('2 messages sent, 1 handled');
  });

  it('is broken by a message that nobody sent', async () => {
    const { handle, count } = tally(1, nothing);
    for (const id of [0, 1]) await handle(message(id));
    expect(broken(count())).toBe('1 messages came that nobody sent');
  });

  it('tells when so many different ones were handled', async () => {
    const { handle, reached, count } = tally(2, nothing);
    const both = reached(2);
    await handle(message(0));
    await handle(message(1));
    await both;
    expect(count().handled).toBe(2);
  });
});

describe.each([200, 4_096])('a message of %d bytes', (size) => {
  it.each([0, 1_000_000])('has as many, but for the digits of its id %d', (id) => {
    const bytes = JSON.stringify(messages(size)(id)).length;
    expect(size - bytes).toBe(7 - `${id}`.length);
  });
});
