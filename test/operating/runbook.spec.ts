import { describe, expect, it } from '@jest/globals';
import { readdirSync, readFileSync } from 'node:fs';

const all = (text: string, pattern: RegExp): string[] =>
  [...text.matchAll(pattern)].map((match) => match[1]!);
const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8');

const runbook = read('../../docs/operating.md');
const specs = readdirSync(new URL('.', import.meta.url)).filter((file) => file.endsWith('.spec.ts'));

describe('the runbook', () => {
  it('has a test for each of its procedures, and a procedure for each test', () => {
    const headings = all(runbook, /^##+ (.+)$/gm);
    const tried = specs.flatMap((file) => all(read(file), /^procedure\('(.+)', \(\) => \{$/gm));
    expect(headings.length).toBeGreaterThan(0);
    expect(tried.sort()).toEqual(headings.sort());
  });
});
