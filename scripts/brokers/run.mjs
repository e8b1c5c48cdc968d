import { execFile } from 'node:child_process';

/**
 * Runs a command to its end. Never rejects: what went wrong is in `ok` and `output`.
 * @param {string} command
 * @param {string[]} args
 * @param {{ env?: NodeJS.ProcessEnv, cwd?: string, timeout?: number, input?: string }} [options] `timeout` in milliseconds; `input`: what it reads on its standard input
 * @returns {Promise<{ ok: boolean, output: string }>}
 */
export function run(command, args, { input, ...options } = {}) {
  return new Promise((resolve) => {
    const limits = { maxBuffer: 64 * 1024 * 1024, timeout: 30_000 };
    const child = execFile(command, args, { ...limits, ...options }, (error, stdout, stderr) => {
      const output = `${stdout}${stderr}`.trim();
      resolve({ ok: !error, output: output || (error?.message ?? '') });
    });
    // One that ends before it has read all is judged by its exit code and its output, like any other.
    child.stdin?.on('error', () => {}).end(input);
  });
}

/** The last lines of a long output: where commands say what went wrong. @param {string} text @param {number} [lines] */
export function tail(text, lines = 5) {
  return text.trimEnd().split('\n').slice(-lines).join('\n');
}
