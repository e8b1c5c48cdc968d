import { Option, type Command } from 'commander';
import type { ExplainedConnection, ExplainedRefusal, PlannedResource, Topology } from '@nest-messaging/core';
import { createApplication } from '../application.js';
import { establishByUrl, explainByUrl, type Doing } from '../connection.js';
import { EXIT, UsageError, type ExitCode } from '../exit.js';
import { writeJson, type Terminal } from '../terminal.js';

interface TopologyOptions extends Doing {
  readonly app?: string;
  readonly connection?: string;
  readonly url?: string;
  readonly service?: string;
  readonly namespace?: string;
  readonly rights?: boolean;
  readonly apply?: boolean;
  readonly topology?: Topology;
  readonly json?: boolean;
}

const EXAMPLES = `
Either of an application, or of what is said of one. Without --apply nothing is connected.

Examples:
  nest-messaging topology --app dist/app.module.js
  nest-messaging topology --app dist/app.module.js --rights --topology validate
  nest-messaging topology --app dist/app.module.js --apply
  nest-messaging topology --url kafka://broker:9092 --service billing --namespace shop \\
    --publish invoice.sent --handle order.placed --work invoices --rights

Ends with 0, with 1 where something is refused (told on standard error), with 2 for wrong usage.`;

const collect = (value: string, before: readonly string[]): string[] => [...before, value];

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

/** What is asked about, and how it is made. */
interface Subject {
  readonly connections: readonly ExplainedConnection[];
  readonly establish: () => Promise<void>;
}

async function ofApplication(
  app: string,
  connection: string | undefined,
  directory: string,
): Promise<Subject> {
  const { explorer } = await createApplication(app, directory);
  const all = explorer.explain().connections;
  const connections = all.filter((one) => connection === undefined || one.connection === connection);
  if (connections.length === 0)
    throw new UsageError(
      `--connection ${connection}: the application has ${all.map((one) => one.connection).join(', ')}`,
    );
  return { connections, establish: () => explorer.establish(connection) };
}

async function subjectOf(options: TopologyOptions, directory: string): Promise<Subject> {
  const { app, connection, url, service, namespace, topology = 'create' } = options;
  if (app !== undefined) return ofApplication(app, connection, directory);
  if (url === undefined)
    throw new UsageError('neither --app nor --url is given: say which application, or which broker');
  if (service === undefined)
    throw new UsageError('--service is missing beside --url: the name that MessagingModule.forRoot is given');
  const place = { url, service, namespace, topology };
  return {
    connections: [await explainByUrl(place, options)],
    establish: () => establishByUrl(place, options),
  };
}

export function addTopology(program: Command, terminal: Terminal, end: (code: ExitCode) => void): void {
  program
    .command('topology')
    .summary("what topology 'create' makes on the broker, and the least rights that each mode needs")
    .description(
      `Lists what an application is on its broker: queues, exchanges, topics, consumer groups, as topology 'create' makes
them; with --apply it makes them, for applications whose own user may not. With --rights, what a user of the broker must be allowed instead: permissions of RabbitMQ, ACLs of Kafka, a
policy of AWS.`,
    )
    .option('--app <module>', 'compiled root module, such as dist/app.module.js#AppModule')
    .option('--connection <name>', 'of the application; all of them if it is left out')
    .addOption(new Option('--url <url>', 'of the broker, where there is no application').env('BROKER_URL'))
    .option('--service <name>', 'as MessagingModule.forRoot is given it; with --url')
    .option('--namespace <name>', 'likewise')
    .option('--publish <event>', 'that it publishes; as often as need be, as all that follow', collect, [])
    .option('--enqueue <queue>', 'that it sends tasks to', collect, [])
    .option(
      '--handle <event[@group]>',
      'that it handles, or a pattern; the group is the service',
      collect,
      [],
    )
    .option('--work <queue>', 'whose tasks it handles', collect, [])
    .option('--broadcast <event>', 'that each of its processes handles', collect, [])
    .option('--ordered <name>', 'which of these keep the order of their keys', collect, [])
    .option('--apply', 'makes it all on the broker, and takes no message: what is published waits')
    .addOption(new Option('--rights', 'the least rights, ready to be granted').conflicts('apply'))
    .addOption(
      new Option('--topology <mode>', 'for which the rights are; else as the application has it').choices([
        'create',
        'validate',
        'none',
      ]),
    )
    .option('--json', 'as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (options: TopologyOptions) => {
      const { rights, apply, json, topology } = options;
      const { connections, establish } = await subjectOf(options, terminal.directory);
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
      const refusals: readonly ExplainedRefusal[] = connections.flatMap(({ handlers, publications }) =>
        [...handlers, ...publications].flatMap((one) => one.refusals),
      );
      for (const { code, message } of refusals) terminal.error(`${code}: ${message}\n`);
      if (apply && refusals.length === 0) {
        await establish();
        terminal.error('made on the broker, where it was missing\n');
      }
      end(refusals.length > 0 ? EXIT.trouble : EXIT.fine);
    });
}
