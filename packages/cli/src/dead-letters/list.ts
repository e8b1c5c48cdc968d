import { InvalidArgumentError, type Command } from 'commander';
import { describeSubscription, InvalidMessageError } from '@nest-messaging/core/contract';
import { addFilter, type FilterOptions } from './choice.js';
import { EXIT, UsageError, type ExitCode } from '../exit.js';
import { jsonOf, tableOf } from './letters.js';
import { addSubscription, withDeadLetters, type SubscriptionOptions } from './subscription.js';
import { writeJson, type FullTerminal } from '../terminal.js';

interface ListOptions extends SubscriptionOptions, FilterOptions {
  readonly limit?: number;
  readonly after?: string;
  readonly json?: boolean;
}

const EXAMPLES = `
Looking takes none away. A filter finds those that fit all that is given.

Examples:
  nest-messaging dead-letters list --service billing --topic order.placed
  nest-messaging dead-letters list --service billing --queue invoices --error TypeError \\
    --since 2026-03-01 --until 30m --limit 20
  nest-messaging dead-letters list --service billing --topic order.placed --json | jq '.next'

Ends with 0, be there any or not, with 1 where they cannot be looked at, with 2
for wrong usage, with 130 where it was interrupted.`;

function count(text: string): number {
  const number = Number(text);
  if (Number.isSafeInteger(number) && number > 0) return number;
  throw new InvalidArgumentError('Give a whole number of 1 or more.');
}

/** As a shell takes it unchanged: some brokers' places hold message ids. */
const quoted = (text: string): string =>
  /^[\w./-]+$/.test(text) ? text : `'${text.replaceAll("'", String.raw`'\''`)}'`;

export function addList(group: Command, terminal: FullTerminal, end: (code: ExitCode) => void): void {
  addFilter(addSubscription(group.command('list')))
    .summary('a page of them, oldest first')
    .description(
      'Lists dead letters, oldest first: when and why each was set aside, its attempts, its ' +
        'key; and where the next page begins.',
    )
    .option('--limit <number>', 'of a page, at most; 100 if it is left out', count)
    .option('--after <place>', 'the page behind another, which says where')
    .option('--json', 'as JSON, with all that is known but payloads')
    .addHelpText('after', EXAMPLES)
    .action(async (options: ListOptions) => {
      const { limit, after, error, since, until, json } = options;
      await withDeadLetters(options, terminal, async ({ office, id, signal }) => {
        const asked = office.list(id, { limit, after, error, since, until, signal });
        const { letters, next } = await asked.catch((failure: unknown) => {
          // Only the place is the caller's.
          throw failure instanceof InvalidMessageError
            ? new UsageError(`--after: ${failure.message}`, { cause: failure })
            : failure;
        });
        if (json) writeJson(terminal, { letters: letters.map(jsonOf), next });
        else if (letters.length === 0)
          terminal.out(`no dead letters of ${describeSubscription(id)} are there that fit\n`);
        else terminal.out(`${tableOf(letters)}\n`);
        if (next !== undefined && !json) terminal.out(`\nnext page: --after ${quoted(next)}\n`);
      });
      end(EXIT.fine);
    });
}
