import type { Command } from 'commander';
import type { ExitCode } from '../exit.js';
import type { FullTerminal } from '../terminal.js';
import { addExport } from './export.js';
import { addImport } from './import.js';
import { addList } from './list.js';
import { addPurge } from './purge.js';
import { addRedrive } from './redrive.js';
import { addShow } from './show.js';

const EXAMPLES = `
Whose they are is said as the handler says it: --topic, with --group if it has
one of its own, or --queue; a name that nobody has ends with 1. A broker's URL is best given as BROKER_URL, where
others on the machine do not see it.

Examples:
  export BROKER_URL=amqp://user:password@broker
  nest-messaging dead-letters list --service billing --topic order.placed --since 2h
  nest-messaging dead-letters redrive --service billing --topic order.placed \\
    --error HandlerTimeoutError --rate 50

Each ends with 0, with 1 where it could not be done, with 2 for wrong usage, with
130 where it was interrupted.`;

export function addDeadLetters(
  program: Command,
  terminal: FullTerminal,
  end: (code: ExitCode) => void,
): void {
  const group = program
    .command('dead-letters')
    .summary('what was set aside after its last attempt: look at it, give it back, delete it, keep it')
    .description(
      'Works with the dead letters of one subscription or queue on a live broker. It needs ' +
        'no application: its names are enough.',
    )
    .addHelpText('after', EXAMPLES);
  for (const add of [addList, addShow, addRedrive, addPurge, addExport, addImport]) add(group, terminal, end);
}
