import type { Command } from 'commander';
import { addChoice, explicitChoiceOf, type ChoiceOptions } from './choice.js';
import { EXIT, UsageError, type ExitCode } from '../exit.js';
import { counted } from './progress.js';
import { addSubscription, withDeadLetters, type SubscriptionOptions } from './subscription.js';
import type { FullTerminal } from '../terminal.js';
import { writeTaken } from './taken.js';

interface PurgeOptions extends SubscriptionOptions, ChoiceOptions {
  readonly yes?: boolean;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Nothing brings them back but an export made before. Interrupted (Ctrl-C), it
finishes what it has begun and says how many that were.

Examples:
  nest-messaging dead-letters purge --until 30d --dry-run --service billing --topic order.placed
  nest-messaging dead-letters purge --until 30d --yes --service billing --topic order.placed
  nest-messaging dead-letters purge 0b6e1f4c --yes --service billing --queue invoices

Ends with 0, with 1 where it could not be done whole, with 2 for wrong usage, with
130 where it was interrupted.`;

export function addPurge(group: Command, terminal: FullTerminal, end: (code: ExitCode) => void): void {
  addSubscription(addChoice(group.command('purge')))
    .summary('deletes them')
    .description(
      'Deletes dead letters for good. Which ones is said by message ids, by a filter, or by ' +
        '--all; that it is meant, by --yes.',
    )
    .option('--yes', 'that it is meant: nobody is asked')
    .option('--dry-run', 'says which it would be, and changes nothing')
    .option('--json', 'the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (ids: string[], options: PurgeOptions) => {
      const { yes, dryRun, json = false } = options;
      const which = explicitChoiceOf(ids, options);
      if (!yes && !dryRun)
        throw new UsageError(
          'purge deletes for good: add --yes if that is meant, or --dry-run to see which it would be',
        );
      const did = 'purged';
      await withDeadLetters(options, terminal, async ({ office, id, signal }) => {
        const taken = await counted(terminal, dryRun ? 'found' : did, json, (onProgress) =>
          office.purge(id, which, { dryRun, signal, onProgress }),
        );
        writeTaken(terminal, taken, { did, json });
      });
      end(EXIT.fine);
    });
}
