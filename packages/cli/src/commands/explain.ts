import type { Command } from 'commander';
import { createApplication } from '../application.js';
import { EXIT, type ExitCode } from '../exit.js';
import { writeJson, type Terminal } from '../terminal.js';

interface ExplainOptions {
  readonly app: string;
  readonly json?: boolean;
  readonly mermaid?: boolean;
}

const EXAMPLES = `
Nothing is connected: the application's providers are made, and none of its
hooks is called. A provider whose factory connects by itself, such as a
database's, does so here too.

Examples:
  nest-messaging explain --app dist/app.module.js
  nest-messaging explain --app dist/app.module.js#AppModule --json | jq '.refusals'
  nest-messaging explain --app dist/app.module.js --mermaid > docs/messaging.mmd

Ends with 0 where the application would start, with 1 where something is
refused, with 2 for wrong usage.`;

export function addExplain(program: Command, terminal: Terminal, end: (code: ExitCode) => void): void {
  program
    .command('explain')
    .summary('what an application handles and publishes, and whether its brokers can give what it needs')
    .description(
      'Tells of each handler its subscription, its name on the broker, and for each of its ' +
        'needs (order, delays, retries, patterns, broadcast, batches, crashes) whether the broker ' +
        'gives it natively, by emulation, or refuses it. All that would keep the application ' +
        'from starting is told, not only the first.',
    )
    .requiredOption('--app <module>', 'compiled root module, such as dist/app.module.js#AppModule')
    .option('--json', 'as JSON')
    .option('--mermaid', 'as a Mermaid flowchart')
    .addHelpText('after', EXAMPLES)
    .action(async ({ app, json, mermaid }: ExplainOptions) => {
      const { explorer } = await createApplication(app, terminal.directory);
      const explanation = explorer.explain();
      if (json) writeJson(terminal, explanation);
      else terminal.out(mermaid ? explorer.mermaid() : explorer.table());
      end(explanation.refusals.length > 0 ? EXIT.trouble : EXIT.fine);
    });
}
