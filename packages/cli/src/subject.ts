import { Option, type Command } from 'commander';
import type {
  ExaminedConnection,
  ExplainedConnection,
  ExplainedRefusal,
  Topology,
} from '@nest-messaging/core';
import { createApplication } from './application.js';
import { declaredBy, establishByUrl, examineByUrl, explainByUrl, type Doing } from './connection.js';
import { UsageError } from './exit.js';
import type { Terminal } from './terminal.js';

/** Which application a command is about: one that is there, or one that is told in words. */
export interface SubjectOptions extends Doing {
  readonly app?: string;
  readonly connection?: string;
  readonly url?: string;
  readonly service?: string;
  readonly namespace?: string;
  readonly topology?: Topology;
}

export interface Subject {
  /** What would keep it from starting, and is of none of its connections: a handler of one that there is not. */
  readonly refusals: readonly ExplainedRefusal[];
  /** Connects to nothing. */
  readonly explain: () => Promise<readonly ExplainedConnection[]>;
  /** Makes it on its brokers. */
  readonly establish: () => Promise<void>;
  /** @param management URL of the broker's own HTTP interface */
  readonly examine: (management: string | undefined) => Promise<readonly ExaminedConnection[]>;
}

const collect = (value: string, before: readonly string[] = []): string[] => [...before, value];

export function addSubject(command: Command): Command {
  return command
    .option('--app <module>', 'compiled root module, such as dist/app.module.js#AppModule')
    .option('--connection <name>', 'of the application; all of them if it is left out')
    .addOption(new Option('--url <url>', 'of the broker, where there is no application').env('BROKER_URL'))
    .option('--service <name>', 'as MessagingModule.forRoot is given it; with --url')
    .option('--namespace <name>', 'likewise')
    .option('--publish <event>', 'that it publishes; as often as need be, as all that follow', collect)
    .option('--enqueue <queue>', 'that it sends tasks to', collect)
    .option('--handle <event[@group]>', 'that it handles, or a pattern; the group is the service', collect)
    .option('--work <queue>', 'whose tasks it handles', collect)
    .option('--broadcast <event>', 'that each of its processes handles', collect)
    .option('--ordered <name>', 'which of these keep the order of their keys', collect)
    .addOption(
      new Option('--topology <mode>', 'with --url: in which it runs; of rights: for which they are').choices([
        'create',
        'validate',
        'none',
      ]),
    );
}

export const refusalsOf = ({ handlers, publications }: ExplainedConnection): readonly ExplainedRefusal[] =>
  [...handlers, ...publications].flatMap((one) => one.refusals);

export function tellRefusals({ error }: Terminal, refusals: readonly ExplainedRefusal[]): void {
  for (const { code, message } of refusals) error(`${code}: ${message}\n`);
}

async function ofApplication(
  app: string,
  connection: string | undefined,
  directory: string,
): Promise<Subject> {
  const { explorer } = await createApplication(app, directory);
  const { connections: all, refusals } = explorer.explain();
  const connections = all.filter((one) => connection === undefined || one.connection === connection);
  if (connections.length === 0)
    throw new UsageError(
      `--connection ${connection}: the application has ${all.map((one) => one.connection).join(', ')}`,
    );
  const told = new Set(all.flatMap(refusalsOf));
  return {
    refusals: refusals.filter((refusal) => !told.has(refusal)),
    explain: async () => connections,
    establish: () => explorer.establish(connection),
    examine: (management) => explorer.examine(connection, { management }),
  };
}

/** What says in words what an application that is there says itself. */
const IN_WORDS = [
  'url',
  'service',
  'namespace',
  'publish',
  'enqueue',
  'handle',
  'work',
  'broadcast',
  'ordered',
] as const satisfies readonly (keyof SubjectOptions)[];

/** BROKER_URL may be set for other commands: what was typed counts alone. */
function checkAlone(command: Command): void {
  const names = command.opts<{ rights?: boolean }>().rights ? IN_WORDS : [...IN_WORDS, 'topology'];
  const typed = names.filter((name) => command.getOptionValueSource(name) === 'cli');
  if (typed.length > 0)
    throw new UsageError(
      `--app says it all: leave out ${typed.map((name) => `--${name}`).join(', ')}, or --app`,
    );
}

/**
 * @param command of {@link addSubject}
 * @throws {UsageError} if it is unclear what the command is about
 */
export async function subjectOf(command: Command, directory: string): Promise<Subject> {
  const options = command.opts<SubjectOptions>();
  const { app, connection, url, service, namespace, topology = 'create' } = options;
  if (app !== undefined) {
    checkAlone(command);
    return ofApplication(app, connection, directory);
  }
  if (connection !== undefined)
    throw new UsageError(`--connection ${connection}: only an application has several, given by --app`);
  if (url === undefined)
    throw new UsageError('neither --app nor --url is given: say which application, or which broker');
  if (service === undefined)
    throw new UsageError('--service is missing beside --url: the name that MessagingModule.forRoot is given');
  const place = { url, service, namespace, topology };
  const declared = declaredBy(options);
  return {
    refusals: [],
    explain: async () => [await explainByUrl(place, declared)],
    establish: () => establishByUrl(place, declared),
    examine: async (management) => [await examineByUrl(place, declared, { management })],
  };
}
