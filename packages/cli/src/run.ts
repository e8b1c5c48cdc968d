import { readFileSync } from 'node:fs';
import { Command, CommanderError } from 'commander';
import { addAsyncApi } from './commands/asyncapi.js';
import { addDeadLetters } from './dead-letters/index.js';
import { addDoctor } from './commands/doctor.js';
import { addExplain } from './commands/explain.js';
import { addTopology } from './commands/topology.js';
import { EXIT, InterruptedError, UsageError, type ExitCode } from './exit.js';
import { fullTerminal, type Terminal } from './terminal.js';

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string;
};

const EXITS = `
Every command ends with 0 where all is well, with 1 where something is wrong with
the application or its broker, with 2 where the command was not understood, and
with 130 where it was interrupted. Results go to standard output, and are JSON
with --json; all else goes to standard error.`;

/** What somebody mistyped is quoted back to him, and may be the URL of a broker. */
const withoutPasswords = (text: string): string => text.replaceAll(/(:\/\/)[^\s'"]*@/g, '$1…@');

/** One line for people, and where to go from there. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as { code?: unknown };
  return `${error instanceof UsageError || typeof code !== 'string' ? '' : `${code}: `}${error.message}`;
}

/** Runs one command. Never rejects; answers the exit code. */
export async function run(args: readonly string[], given: Terminal): Promise<ExitCode> {
  const terminal = fullTerminal({ ...given, error: (text) => given.error(withoutPasswords(text)) });
  let code: ExitCode = EXIT.fine;
  const end = (ended: ExitCode): void => {
    code = ended;
  };
  const program = new Command('nest-messaging')
    .description('Explains and operates the messaging of NestJS applications.')
    .version(version)
    .showHelpAfterError('(--help says more)')
    .configureOutput({ writeOut: terminal.out, writeErr: terminal.error })
    .exitOverride()
    .addHelpText('after', EXITS);
  // Each inherits what was set above, and must be added after it.
  for (const add of [addExplain, addTopology, addDoctor, addDeadLetters, addAsyncApi])
    add(program, terminal, end);
  try {
    await program.parseAsync(args, { from: 'user' });
    return code;
  } catch (error) {
    // What it had to say it has said.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.fine : EXIT.usage;
    terminal.error(`${reasonOf(error)}\n`);
    if (error instanceof InterruptedError) return EXIT.interrupted;
    return error instanceof UsageError ? EXIT.usage : EXIT.trouble;
  }
}
