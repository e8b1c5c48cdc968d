import { setImmediate } from 'node:timers/promises';
import { expect, it } from '@jest/globals';
import { withinSignal } from '../../src/contract/index.js';

it('what nobody waits for any more may fail without ending the process', async () => {
  const unhandled: unknown[] = [];
  const note = (reason: unknown): void => void unhandled.push(reason);
  process.on('unhandledRejection', note);
  try {
    const given = new Error('given up');
    const failing = Promise.reject(new Error('too late to matter'));
    await expect(withinSignal(failing, AbortSignal.abort(given))).rejects.toBe(given);
    await setImmediate();
    expect(unhandled).toEqual([]);
  } finally {
    process.off('unhandledRejection', note);
  }
});
