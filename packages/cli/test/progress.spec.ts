import { afterEach, beforeEach, describe, expect, it, jest } from '@jest/globals';
import { counted, createProgress } from '../src/dead-letters/progress.js';
import { fullTerminal } from '../src/terminal.js';

let out: string;
let error: string;

const terminal = (watched: boolean) =>
  fullTerminal({
    out: (text) => void (out += text),
    error: (text) => void (error += text),
    watched,
    directory: '/',
  });

beforeEach(() => {
  [out, error] = ['', ''];
  jest.useFakeTimers();
});
afterEach(() => void jest.useRealTimers());

/** One is done in each of so many milliseconds. */
function pass(show: (count: number) => void, times: number, milliseconds: number): void {
  for (let count = 1; count <= times; count++) {
    jest.advanceTimersByTime(milliseconds);
    show(count);
  }
}

describe('Progress', () => {
  it('is a line that changes where somebody watches, and is gone at the end', () => {
    const progress = createProgress(terminal(true), 'redriven');
    pass(progress.show, 4, 100);
    progress.clear();
    expect(error).toBe('2 redriven …\r\u001b[K4 redriven …\r\u001b[K');
  });

  it('is a line now and then in a log, of what takes long', () => {
    pass(createProgress(terminal(false), 'redriven').show, 20, 1_000);
    expect(error).toBe('10 redriven so far\n20 redriven so far\n');
  });

  it('is nothing where it is soon done', async () => {
    expect(await counted(terminal(false), 'redriven', false, async (show) => pass(show, 9, 100))).toBe(
      undefined,
    );
    expect({ out, error }).toEqual({ out: '', error: '' });
  });

  it('tells how far it came where it failed, to programs as well', async () => {
    const failing = counted(terminal(false), 'redriven', true, async (show) => {
      pass(show, 3, 1);
      throw new Error('the broker went away');
    });
    await expect(failing).rejects.toThrow('the broker went away');
    expect(JSON.parse(out)).toEqual({ count: 3, complete: false });
    expect(error).toBe('3 redriven; the rest is as it was\n');
  });
});
