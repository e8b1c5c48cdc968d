import type { Command } from 'commander';
import type { ExaminedConnection, Finding } from '@nest-messaging/core';
import { EXIT, type ExitCode } from '../exit.js';
import { addSubject, subjectOf, tellRefusals, type SubjectOptions } from '../subject.js';
import { writeJson, type Terminal } from '../terminal.js';

interface DoctorOptions extends SubjectOptions {
  readonly management?: string;
  readonly verbose?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Nothing is made, and no message is taken. Of rights on RabbitMQ without
--management, and on AWS, those are seen that looking needs: topology --rights
tells the others.

Examples:
  nest-messaging doctor --app dist/app.module.js
  nest-messaging doctor --app dist/app.module.js --management http://user:password@broker:15672
  BROKER_URL=kafka://broker:9092 nest-messaging doctor --service billing \\
    --handle order.placed --json

Ends with 0 where there is no trouble, with 1 where there is, with 2 for wrong
usage.`;

const WIDTH = 'trouble'.length;

const lineOf = ({ level, about, message }: Finding): string => `${level.padEnd(WIDTH)}  ${about}: ${message}`;

function textOf({ connection, broker, findings }: ExaminedConnection, verbose: boolean): string {
  const told = verbose ? findings : findings.filter(({ level }) => level !== 'fine');
  const fine = findings.filter(({ level }) => level === 'fine').length;
  return [
    `connection ${connection}: ${broker}, ${fine} of ${findings.length} findings are fine`,
    ...told.map(lineOf),
  ].join('\n');
}

export function addDoctor(program: Command, terminal: Terminal, end: (code: ExitCode) => void): void {
  addSubject(program.command('doctor'))
    .summary('whether a live broker has what an application needs, and what it has besides')
    .description(
      'Looks at a live broker on behalf of an application: whether it can be reached, ' +
        'whether queues, exchanges, topics and groups are there and as they should be, ' +
        'whether somebody takes from them, and what is there of subscriptions that no handler ' +
        'has any more.',
    )
    .option(
      '--management <url>',
      "of RabbitMQ's management API, which alone shows bindings, permissions (to administrators) and orphaned subscriptions there",
    )
    .option('--verbose', 'what is fine, too')
    .option('--json', 'as JSON, all of it')
    .addHelpText('after', EXAMPLES)
    .action(async (options: DoctorOptions, command: Command) => {
      const { management, verbose = false, json } = options;
      const subject = await subjectOf(command, terminal.directory);
      const examined = await subject.examine(management);
      if (json) writeJson(terminal, examined);
      else terminal.out(`${examined.map((one) => textOf(one, verbose)).join('\n\n')}\n`);
      tellRefusals(terminal, subject.refusals);
      const trouble =
        subject.refusals.length > 0 ||
        examined.some(({ findings }) => findings.some(({ level }) => level === 'trouble'));
      end(trouble ? EXIT.trouble : EXIT.fine);
    });
}
