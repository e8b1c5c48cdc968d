import { fileURLToPath } from 'node:url';
import { run, type ExitCode } from '@nest-messaging/cli';

export interface Ended {
  readonly code: ExitCode;
  readonly out: string;
  readonly error: string;
}

/** Runs one command in this process, from the folder of the fixtures. */
export async function command(...args: string[]): Promise<Ended> {
  let [out, error] = ['', ''];
  const code = await run(args, {
    out: (text) => void (out += text),
    error: (text) => void (error += text),
    directory: fileURLToPath(new URL('fixtures/', import.meta.url)),
  });
  return { code, out, error };
}
