import { open } from 'node:fs/promises';
import { resolve } from 'node:path';
import { addAbortSignal, type Readable } from 'node:stream';
import type { Command } from 'commander';
import { EXIT, UsageError, type ExitCode } from '../exit.js';
import { counted } from './progress.js';
import { addSubscription, withDeadLetters, type SubscriptionOptions } from './subscription.js';
import type { FullTerminal } from '../terminal.js';
import { writeTaken } from './taken.js';

interface ImportOptions extends SubscriptionOptions {
  readonly file?: string;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
What is there already, by its message id, is left out, so that the same file can
be given twice. A line that is malformed, or of another subscription, ends it, and
its number is told; those before it may have been set aside.

Examples:
  nest-messaging dead-letters import --file letters.jsonl --service billing --topic order.placed
  zcat letters.jsonl.gz | nest-messaging dead-letters import --dry-run --service billing \\
    --topic order.placed

Ends with 0, with 1 where it could not be done whole, with 2 for wrong usage, with
130 where it was interrupted.`;

/** @throws {UsageError} if it cannot be read */
async function read(file: string): Promise<Readable> {
  try {
    return (await open(file)).createReadStream();
  } catch (cause) {
    throw new UsageError(`--file ${file}: it cannot be read: ${(cause as Error).message}`, { cause });
  }
}

export function addImport(group: Command, terminal: FullTerminal, end: (code: ExitCode) => void): void {
  addSubscription(group.command('import'))
    .summary('sets aside again what was exported')
    .description(
      'Sets aside again what was exported of the same subscription, as the newest of its ' + 'dead letters.',
    )
    .option('--file <file>', 'what export has written; standard input if it is left out')
    .option('--dry-run', 'says which it would be, and changes nothing')
    .option('--json', 'the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: ImportOptions) => {
      const { file, dryRun, json = false } = options;
      const did = 'imported';
      await withDeadLetters(options, terminal, async ({ office, id, signal }) => {
        const input = file === undefined ? terminal.input() : await read(resolve(terminal.directory, file));
        const lines = addAbortSignal(signal, input);
        const taken = await counted(terminal, dryRun ? 'found' : did, json, (onProgress) =>
          office.import(id, lines, { dryRun, signal, onProgress }),
        );
        writeTaken(terminal, taken, { did, json });
        if (taken.skipped > 0 && !json) terminal.error(`${taken.skipped} left out: they are there already\n`);
      });
      end(EXIT.fine);
    });
}
