import { resolve } from 'node:path';
import type { Command } from 'commander';
import { addChoice, choiceOf, type ChoiceOptions } from './choice.js';
import { EXIT, type ExitCode } from '../exit.js';
import { writeNewFile } from './new-file.js';
import { createProgress } from './progress.js';
import { addSubscription, withDeadLetters, type SubscriptionOptions } from './subscription.js';
import { writeJson, type FullTerminal } from '../terminal.js';

interface ExportOptions extends SubscriptionOptions, ChoiceOptions {
  readonly file?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Each is a line of JSON, its payload included: as text where it is text, else as
base64. A file is never overwritten, nobody else may read it, and one that could
not be written whole is removed. Exporting takes none away.

Examples:
  nest-messaging dead-letters export --file letters.jsonl --service billing --topic order.placed
  nest-messaging dead-letters export --error TypeError --service billing --queue invoices \\
    | jq -r '.message.body'

What is purged after it is best named by the file; --all would delete what was set
aside meanwhile as well:
  jq -r '.message.id' letters.jsonl | xargs -d '\\n' \\
    nest-messaging dead-letters purge --yes --service billing --topic order.placed

Ends with 0, with 1 where it could not be done whole, with 2 for wrong usage, with
130 where it was interrupted.`;

export function addExport(group: Command, terminal: FullTerminal, end: (code: ExitCode) => void): void {
  addSubscription(addChoice(group.command('export')))
    .summary('keeps them as lines of JSON')
    .description(
      'Writes dead letters as lines of JSON, payload included, oldest first. All of them, ' +
        'unless message ids or a filter say which.',
    )
    .option('--file <file>', 'where to write them; standard output if it is left out')
    .option('--json', 'with --file, how many as JSON; the lines always are')
    .addHelpText('after', EXAMPLES)
    .action(async (ids: string[], options: ExportOptions) => {
      const { file, json } = options;
      const which = choiceOf(ids, options) ?? 'all';
      await withDeadLetters(options, terminal, async ({ office, id, signal }) => {
        // Among the lines on a terminal it would be one of them.
        const progress = file === undefined ? undefined : createProgress(terminal, 'exported');
        let count = 0;
        async function* lines(): AsyncGenerator<string, void, undefined> {
          for await (const line of office.export(id, which, { signal })) {
            count++;
            progress?.show(count);
            yield line;
          }
        }
        try {
          if (file === undefined) await terminal.write(lines(), signal);
          else await writeNewFile(resolve(terminal.directory, file), lines(), signal);
        } finally {
          progress?.clear();
        }
        if (file !== undefined && json) writeJson(terminal, { count });
        else terminal.error(`${count} exported\n`);
      });
      end(EXIT.fine);
    });
}
