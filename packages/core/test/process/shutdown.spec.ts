import { afterEach, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const application = fileURLToPath(new URL('./application.mjs', import.meta.url));

interface Application {
  readonly child: ChildProcess;
  readonly lines: string[];
  said(line: string): Promise<void>;
  ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>;
}

const children: ChildProcess[] = [];
afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

function run(env: Record<string, string>): Application {
  const child = spawn(process.execPath, [application], {
    env: { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  children.push(child);
  const lines: string[] = [];
  const look = new Set<() => void>();
  const readers = [child.stdout, child.stderr].map((input) => createInterface({ input }));
  for (const reader of readers)
    reader.on('line', (line) => {
      lines.push(line);
      look.forEach((again) => again());
    });
  const closed = readers.map((reader) => once(reader, 'close'));
  const ended = once(child, 'exit').then(async ([code, signal]) => {
    await Promise.all(closed);
    return { code: code as number | null, signal: signal as NodeJS.Signals | null };
  });
  return {
    child,
    lines,
    ended,
    said: (line) =>
      new Promise((resolve, reject) => {
        const again = (): void => {
          if (lines.some((each) => each.includes(line))) resolve();
        };
        look.add(again);
        again();
        void ended.then(() => reject(new Error(`ended without saying '${line}':\n${lines.join('\n')}`)));
      }),
  };
}

describe('on SIGTERM', () => {
  it('a running handler ends first, then the rest of the application', async () => {
    const { child, lines, said, ended } = run({ MODE: 'slow' });
    await said('handling');
    child.kill('SIGTERM');
    // Nest raises the signal again when its hooks have run.
    expect(await ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(lines.filter((line) => !line.startsWith('['))).toEqual(['handling', 'handled', 'database closed']);
  });

  it('a handler that does not end is told at the drain time, and the application says so', async () => {
    const { child, lines, said, ended } = run({ MODE: 'hang', DRAIN: '100' });
    await said('handling');
    child.kill('SIGTERM');
    await ended;
    expect(lines.join('\n')).toMatch(/handlers still ran after the drain time of 100 ms/);
    expect(lines).toContain('handled');
  });

  it('two applications in one process end each in its own time', async () => {
    const { child, lines, said, ended } = run({ MODE: 'slow', TWO: 'yes' });
    await said('handling');
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(lines).toContain('handled');
    expect(lines).toContain('database closed');
  });

  it('a second signal ends at once', async () => {
    const { child, lines, said, ended } = run({ MODE: 'hang', DRAIN: '60000' });
    await said('handling');
    child.kill('SIGTERM');
    await said('draining');
    // Whoever wants it says so again.
    const again = setInterval(() => child.kill('SIGTERM'), 100);
    try {
      expect(await ended).toEqual({ code: 1, signal: null });
    } finally {
      clearInterval(again);
    }
    expect(lines.join('\n')).toMatch(/SIGTERM while draining: ending at once/);
  });

  it('one that npm passes on, which the process has had already, ends nothing', async () => {
    const { child, lines, said, ended } = run({ MODE: 'slow' });
    await said('handling');
    child.kill('SIGTERM');
    await said('draining');
    child.kill('SIGTERM');
    expect(await ended).toEqual({ code: null, signal: 'SIGTERM' });
    expect(lines).toContain('handled');
  });
});
