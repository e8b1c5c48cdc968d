import { spawn, type ChildProcess } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const file = fileURLToPath(new URL('./consumer.mjs', import.meta.url));

/** The small application as a process of its own. */
export interface Consumer {
  readonly child: ChildProcess;
  /** All it has said, line by line. */
  readonly lines: readonly string[];
  /** Resolves when it has said so; the test's own time limit ends it. */
  said(text: string | RegExp): Promise<void>;
}

export function startConsumer(env: Readonly<Record<string, string>>): Consumer {
  const child = spawn(process.execPath, [file], {
    env: { ...process.env, NODE_OPTIONS: '', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  const looking = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    looking.forEach((look) => look());
  });
  return {
    child,
    lines,
    said: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (lines.some((line) => (typeof text === 'string' ? line === text : text.test(line)))) resolve();
        };
        looking.add(look);
        look();
      }),
  };
}
