import { setImmediate as turnOfTheLoop } from 'node:timers/promises';
import { describe, expect, it } from '@jest/globals';
import { createTurnstile } from '../../src/contract/index.js';

describe('a turnstile', () => {
  it('lets in one after the other under a key, and holds up none under another', async () => {
    const turns = createTurnstile();
    const begun: string[] = [];
    const begin = async (key: string, name: string): Promise<() => void> => {
      const end = await turns(key);
      begun.push(name);
      return end;
    };
    const first = await begin('a', 'first');
    const second = begin('a', 'second');
    const other = await begin('b', 'other');
    await turnOfTheLoop();
    expect(begun).toEqual(['first', 'other']);
    first();
    (await second)();
    other();
    (await begin('a', 'third'))();
    expect(begun).toEqual(['first', 'other', 'second', 'third']);
  });

  it('is left with the reason of a signal, and those behind still wait for who came before', async () => {
    const turns = createTurnstile();
    const first = await turns('a');
    const controller = new AbortController();
    const reason = new Error('as the test wants it');
    const impatient = turns('a', controller.signal);
    let begun = false;
    const third = turns('a').then((end) => {
      begun = true;
      end();
    });
    controller.abort(reason);
    await expect(impatient).rejects.toBe(reason);
    await expect(turns('a', controller.signal)).rejects.toBe(reason);
    await turnOfTheLoop();
    expect(begun).toBe(false);
    first();
    await third;
    expect(begun).toBe(true);
  });
});
