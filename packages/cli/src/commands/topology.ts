import { Option, type Command } from 'commander';
import type { ExplainedConnection, PlannedResource, Topology } from '@nest-messaging/core';
import { EXIT, type ExitCode } from '../exit.js';
import { addSubject, refusalsOf, subjectOf, tellRefusals, type SubjectOptions } from '../subject.js';
import { writeJson, type Terminal } from '../terminal.js';

interface TopologyOptions extends SubjectOptions {
  readonly rights?: boolean;
  readonly apply?: boolean;
  readonly json?: boolean;
}

const EXAMPLES = `
Either of an application, or of what is said of one. Without --apply nothing is
connected.

Examples:
  nest-messaging topology --app dist/app.module.js
  nest-messaging topology --app dist/app.module.js --rights --topology validate
  nest-messaging topology --app dist/app.module.js --apply
  nest-messaging topology --url kafka://broker:9092 --service billing --namespace shop \\
    --publish invoice.sent --handle order.placed --work invoices --rights

Ends with 0, with 1 where something is refused (told on standard error), with 2
for wrong usage.`;

/** Each once, as it is first made. */
function resourcesOf({ handlers, publications, delays }: ExplainedConnection): PlannedResource[] {
  const all = [...handlers, ...publications].flatMap(({ resources }) => resources);
  const distinct = new Map<string, PlannedResource>();
  for (const resource of [...all, ...delays]) {
    const key = `${resource.kind} ${resource.name} ${JSON.stringify(resource.settings)}`;
    const before = distinct.get(key);
    if (!before || (before.made === 'when needed' && resource.made === 'at start'))
      distinct.set(key, resource);
  }
  return [...distinct.values()];
}

/** Of the longest word that a broker has for anything, and of `when needed`. */
const WIDTH = { kind: 14, made: 11 };

function lineOf({ kind, name, made, settings = {} }: PlannedResource): string {
  const said = Object.entries(settings).map(([key, value]) => `${key}=${String(value)}`);
  return `${made.padEnd(WIDTH.made)}  ${kind.padEnd(WIDTH.kind)}  ${[name, ...said].join('  ')}`;
}

const headOf = ({ connection, broker, service, namespace }: ExplainedConnection): string =>
  `connection ${connection}: ${broker}, service ${service}${namespace === undefined ? '' : `, namespace ${namespace}`}`;

const resourcesText = (connection: ExplainedConnection): string =>
  [headOf(connection), ...resourcesOf(connection).map(lineOf)].join('\n');

/** Its head is a comment to shells; a policy alone is JSON. */
function rightsText(connections: readonly ExplainedConnection[], mode: Topology | undefined): string {
  const grants = connections.map((connection) => {
    const topology = mode ?? connection.topology;
    return {
      head: `# ${headOf(connection)}, topology ${topology}`,
      grant: connection.rights[topology].grant,
    };
  });
  return grants.length === 1
    ? grants[0]!.grant
    : grants.map(({ head, grant }) => `${head}\n${grant}`).join('\n\n');
}

export function addTopology(program: Command, terminal: Terminal, end: (code: ExitCode) => void): void {
  addSubject(program.command('topology'))
    .summary("what topology 'create' makes on the broker, and the least rights that each mode needs")
    .description(
      'Lists what an application is on its broker: queues, exchanges, topics, consumer ' +
        "groups, as topology 'create' makes them; with --apply it makes them, for " +
        'applications whose own user may not. With --rights, what a user of the broker must ' +
        'be allowed instead: permissions of RabbitMQ, ACLs of Kafka, a policy of AWS.',
    )
    .option('--apply', 'makes it all on the broker, and takes no message: what is published waits')
    .addOption(new Option('--rights', 'the least rights, ready to be granted').conflicts('apply'))
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: TopologyOptions, command: Command) => {
      const { rights, apply, json, topology } = options;
      const subject = await subjectOf(command, terminal.directory);
      const connections = await subject.explain();
      if (json)
        writeJson(
          terminal,
          connections.map((connection) => ({
            connection: connection.connection,
            broker: connection.broker,
            service: connection.service,
            namespace: connection.namespace,
            ...(rights
              ? {
                  topology: topology ?? connection.topology,
                  rights: connection.rights[topology ?? connection.topology].granted,
                }
              : { resources: resourcesOf(connection) }),
          })),
        );
      else if (rights) terminal.out(`${rightsText(connections, topology)}\n`);
      else terminal.out(`${connections.map(resourcesText).join('\n\n')}\n`);
      const refusals = [...subject.refusals, ...connections.flatMap(refusalsOf)];
      tellRefusals(terminal, refusals);
      if (apply && refusals.length === 0) {
        await subject.establish();
        terminal.error('made on the broker, where it was missing\n');
      }
      end(refusals.length > 0 ? EXIT.trouble : EXIT.fine);
    });
}
