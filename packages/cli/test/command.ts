import { fileURLToPath } from 'node:url';
import { run, type ExitCode, type Terminal } from '@nest-messaging/cli';

export interface Ended {
  readonly code: ExitCode;
  readonly out: string;
  readonly error: string;
}

/** Runs one command in this process, from the folder of the fixtures. */
export const command = (...args: string[]): Promise<Ended> => commandWith({}, ...args);

/** The same at a terminal of one's own. */
export async function commandWith(
  terminal: Pick<Terminal, 'input' | 'interruption'>,
  ...args: string[]
): Promise<Ended> {
  let [out, error] = ['', ''];
  const code = await run(args, {
    out: (text) => void (out += text),
    error: (text) => void (error += text),
    directory: fileURLToPath(new URL('fixtures/', import.meta.url)),
    ...terminal,
  });
  return { code, out, error };
}
