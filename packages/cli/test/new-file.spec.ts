import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { writeNewFile } from '../src/dead-letters/new-file.js';

let folder: string;
beforeEach(() => void (folder = mkdtempSync(join(tmpdir(), 'new-file-'))));
afterEach(() => rmSync(folder, { recursive: true }));

async function* lines(): AsyncGenerator<string> {
  yield 'one\n';
  yield 'two\n';
}

async function* broken(): AsyncGenerator<string> {
  yield 'one\n';
  throw new Error('the broker went away');
}

const never = new AbortController().signal;

describe('A new file', () => {
  it('holds what it is given, and nobody else may read it', async () => {
    const file = join(folder, 'letters.jsonl');
    await writeNewFile(file, lines(), never);
    expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
    expect(statSync(file).mode & 0o077).toBe(0);
  });

  it('takes the place of none', async () => {
    const file = join(folder, 'letters.jsonl');
    await writeNewFile(file, lines(), never);
    await expect(writeNewFile(file, broken(), never)).rejects.toThrow('it is there already');
    expect(readFileSync(file, 'utf8')).toBe('one\ntwo\n');
  });

  it('is removed where it cannot be written whole', async () => {
    await expect(writeNewFile(join(folder, 'letters.jsonl'), broken(), never)).rejects.toThrow(
      'the broker went away',
    );
    expect(readdirSync(folder)).toEqual([]);
  });

  it('is removed where it is interrupted', async () => {
    const stop = new AbortController();
    async function* interrupted(): AsyncGenerator<string> {
      yield 'one\n';
      stop.abort();
      yield 'two\n';
    }
    const writing = writeNewFile(join(folder, 'letters.jsonl'), interrupted(), stop.signal);
    await expect(writing).rejects.toMatchObject({ name: 'AbortError' });
    expect(readdirSync(folder)).toEqual([]);
  });
});
