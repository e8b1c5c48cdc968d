import { describe, expect, it } from '@jest/globals';
import { writeTaken } from '../src/dead-letters/taken.js';
import { fullTerminal } from '../src/terminal.js';

describe('what a command says of a redrive', () => {
  it('is that it is not complete where some are left because they have expired', () => {
    let out = '';
    const terminal = fullTerminal({ out: (text) => void (out += text), error: () => {}, directory: '/' });
    writeTaken(terminal, { count: 2, expired: 1 }, { did: 'redriven', json: true });
    expect(JSON.parse(out)).toEqual({ count: 2, expired: 1, complete: false });
  });
});
