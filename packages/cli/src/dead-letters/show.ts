import type { Command } from 'commander';
import { describeSubscription } from '@nest-messaging/core/contract';
import { EXIT, type ExitCode } from '../exit.js';
import { jsonOf, onOneLine, textOf } from './letters.js';
import { addSubscription, withDeadLetters, type SubscriptionOptions } from './subscription.js';
import { writeJson, type FullTerminal } from '../terminal.js';

interface ShowOptions extends SubscriptionOptions {
  readonly payload?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Examples:
  nest-messaging dead-letters show 0b6e1f4c --service billing --topic order.placed
  nest-messaging dead-letters show 0b6e1f4c --service billing --topic order.placed \\
    --payload --json | jq -r '.message.body'

Ends with 0, with 1 where there is no such dead letter, with 2 for wrong usage,
with 130 where it was interrupted.`;

export function addShow(group: Command, terminal: FullTerminal, end: (code: ExitCode) => void): void {
  addSubscription(group.command('show').argument('<id>', 'message id'))
    .summary('all that is known of one')
    .description(
      'Shows one dead letter: its headers, its last error, its attempts, where it was when it ' +
        'failed, and when. Its payload only where that is asked for.',
    )
    .option('--payload', 'its payload, too')
    .option('--json', 'as JSON: times in milliseconds since 1970')
    .addHelpText('after', EXAMPLES)
    .action(async (messageId: string, options: ShowOptions) => {
      const { payload = false, json } = options;
      await withDeadLetters(options, terminal, async ({ office, id, signal }) => {
        const letter = await office.show(id, messageId, { payload, signal });
        if (letter === undefined)
          terminal.error(`there is no dead letter ${onOneLine(messageId)} of ${describeSubscription(id)}\n`);
        else if (json) writeJson(terminal, jsonOf(letter));
        else terminal.out(`${textOf(letter)}\n`);
        end(letter === undefined ? EXIT.trouble : EXIT.fine);
      });
    });
}
