import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from '@jest/globals';
import { createTurnoverMap, createTurnoverSet } from '../../src/contract/index.js';

const churning = fileURLToPath(new URL('../process/turnover.mjs', import.meta.url));

describe('what comes and goes with each message', () => {
  it('is there until it is deleted, in the order in which it came, however much has come and gone', () => {
    const [set, map] = [createTurnoverSet<number>(), createTurnoverMap<number, string>()];
    for (let at = 0; at < 10_000; at += 1) {
      set.add(at);
      map.set(at, `${at}`);
      if (at % 1_000 !== 0) expect([set.delete(at), map.delete(at)]).toEqual([true, true]);
    }
    const kept = Array.from({ length: 10 }, (_, at) => at * 1_000);
    expect([...set]).toEqual(kept);
    expect([...map]).toEqual(kept.map((at) => [at, `${at}`]));
    expect([...map.values()]).toEqual(kept.map((at) => `${at}`));
    expect([set.size, map.size]).toEqual([10, 10]);
    expect([set.has(1_000), set.has(1_001), set.delete(1_001)]).toEqual([true, false, false]);
    expect([map.get(1_000), map.get(1_001), map.delete(1_001)]).toEqual(['1000', undefined, false]);
    set.add(0);
    expect(set.size).toBe(10);
    set.addFirst([-1, -2]);
    expect([...set]).toEqual([-1, -2, ...kept]);
    set.clear();
    expect([...set]).toEqual([]);
  });

  it('leaves nothing behind that a garbage collection of the young must keep, as it does in a Set', async () => {
    const { stdout } = await promisify(execFile)(process.execPath, ['--expose-gc', churning]);
    const bytes = JSON.parse(stdout) as Record<'plain' | 'set' | 'map', number>;
    // The control: if it leaves as little, V8 has mended this, and a Set will do.
    expect(bytes.plain).toBeGreaterThan(5_000_000);
    expect(bytes.set).toBeLessThan(500_000);
    expect(bytes.map).toBeLessThan(500_000);
  });
});
