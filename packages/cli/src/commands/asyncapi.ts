import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { Command } from 'commander';
import { createApplication } from '../application.js';
import { EXIT, type ExitCode } from '../exit.js';
import { writeJson, type Terminal } from '../terminal.js';

interface AsyncApiOptions {
  readonly app: string;
  readonly output?: string;
  readonly title?: string;
  readonly apiVersion?: string;
}

const EXAMPLES = `
Payloads have the schemas of their contracts, where the validator writes JSON
Schema (zod 4, arktype 2; valibot through toStandardJsonSchema of
@valibot/to-json-schema), or those of classes that @nestjs/swagger knows.

Examples:
  nest-messaging asyncapi --app dist/app.module.js --output asyncapi.json

Ends with 0, with 1 where the application cannot be made, with 2 for wrong
usage.`;

export function addAsyncApi(program: Command, terminal: Terminal, end: (code: ExitCode) => void): void {
  program
    .command('asyncapi')
    .summary('the AsyncAPI 3 document of what an application publishes and handles')
    .description(
      'Writes the AsyncAPI 3 document of what an application publishes and handles, and ' +
        'where that is on its brokers, as JSON. Nothing is connected.',
    )
    .requiredOption('--app <module>', 'compiled root module, such as dist/app.module.js#AppModule')
    .option('--output <file>', 'where to write it; standard output if it is left out')
    .option('--title <text>', "of the document; the service's name if it is left out")
    .option('--api-version <version>', 'of the document; 0.0.0 if it is left out')
    .option('--json', 'it always is')
    .addHelpText('after', EXAMPLES)
    .action(async ({ app: reference, output, title, apiVersion }: AsyncApiOptions) => {
      // oxlint-disable-next-line no-restricted-imports -- here, and not for every command
      const { asyncApiDocument } = await import('@nest-messaging/asyncapi');
      const { app } = await createApplication(reference, terminal.directory);
      const info = {
        ...(title !== undefined && { title }),
        ...(apiVersion !== undefined && { version: apiVersion }),
      };
      const document = await asyncApiDocument(app, { info });
      if (output === undefined) writeJson(terminal, document);
      else await writeFile(resolve(terminal.directory, output), `${JSON.stringify(document, null, 2)}\n`);
      end(EXIT.fine);
    });
}
