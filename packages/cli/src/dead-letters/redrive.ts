import { InvalidArgumentError, type Command } from 'commander';
import { addChoice, explicitChoiceOf, type ChoiceOptions } from './choice.js';
import { EXIT, type ExitCode } from '../exit.js';
import { counted } from './progress.js';
import { addSubscription, withDeadLetters, type SubscriptionOptions } from './subscription.js';
import type { FullTerminal } from '../terminal.js';
import { writeTaken } from './taken.js';

interface RedriveOptions extends SubscriptionOptions, ChoiceOptions {
  readonly rate?: number;
  readonly dryRun?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Each is gone from the dead letters only when its subscription has it. Interrupted
(Ctrl-C), it finishes what it has begun and says how many that were; the same
command goes on from there. Killed, it leaves a few that are delivered twice, and
loses none. Those that have expired are left, since no handler would get them.

Examples:
  nest-messaging dead-letters redrive 0b6e1f4c 5d1c22aa --service billing --topic order.placed
  nest-messaging dead-letters redrive --error HandlerTimeoutError --since 2h --rate 50 \\
    --service billing --topic order.placed
  nest-messaging dead-letters redrive --all --dry-run --service billing --queue invoices

Ends with 0, with 1 where it could not be done whole, with 2 for wrong usage, with
130 where it was interrupted.`;

function perSecond(text: string): number {
  const number = Number(text);
  if (Number.isFinite(number) && number > 0) return number;
  throw new InvalidArgumentError('Give a number of more than 0.');
}

export function addRedrive(group: Command, terminal: FullTerminal, end: (code: ExitCode) => void): void {
  addSubscription(addChoice(group.command('redrive')))
    .summary('gives them back to their own subscription')
    .description(
      'Gives dead letters back to their own subscription, oldest first, those of one key one ' +
        'after the other; their attempts start anew. Which ones is said by message ids, by a ' +
        'filter, or by --all.',
    )
    .option('--rate <number>', 'a second, at most; as fast as the broker takes them if left out', perSecond)
    .option('--dry-run', 'says which it would be, and changes nothing')
    .option('--json', 'the result as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (ids: string[], options: RedriveOptions) => {
      const { rate, dryRun, json = false } = options;
      const which = explicitChoiceOf(ids, options);
      const did = 'redriven';
      await withDeadLetters(options, terminal, async ({ office, id, signal }) => {
        const taken = await counted(terminal, dryRun ? 'found' : did, json, (onProgress) =>
          office.redrive(id, which, { rate, dryRun, signal, onProgress }),
        );
        writeTaken(terminal, taken, { did, json });
        if (taken.expired !== undefined && !json)
          terminal.error(`${taken.expired} left: they have expired, and no handler would get them\n`);
        end(taken.expired === undefined ? EXIT.fine : EXIT.trouble);
      });
    });
}
