import type { ExaminedConnection } from '@nest-messaging/core';
import { brokerFromUrl } from '@nest-messaging/core/broker-url';
import {
  checkName,
  ConfigurationError,
  defineEvent,
  systemClock,
  type Destination,
  type Environment,
  type ExaminationOptions,
  type Topology,
  type Transport,
} from '@nest-messaging/core/contract';
import {
  examineConnection,
  explainConnection,
  usageOf,
  type ExplainedConnection,
  type HandlerDeclaration,
  type PublicationDeclaration,
} from '@nest-messaging/core/engine';
import { UsageError } from './exit.js';

/** A broker by its URL, and the names that an application has on it. */
export interface Place {
  readonly url: string;
  readonly service: string;
  readonly namespace?: string;
  readonly topology: Topology;
}

/** What an application does, told in words. */
export interface Doing {
  readonly publish?: readonly string[];
  readonly enqueue?: readonly string[];
  /** `event`, or `event@group`. */
  readonly handle?: readonly string[];
  readonly work?: readonly string[];
  readonly broadcast?: readonly string[];
  /** Which of these keep the order of their keys. */
  readonly ordered?: readonly string[];
}

/** What an application does, as it would declare it. */
export interface Declared {
  readonly handlers: readonly HandlerDeclaration[];
  readonly publications: readonly PublicationDeclaration[];
}

/** Milliseconds. */
const CONNECT_WITHIN = 10_000;

/** A transport that is not connected yet. @throws {UsageError} if the URL or a name cannot be used */
export async function openTransport(
  { url, service, namespace, topology }: Place,
  report: Environment['report'] = () => {},
): Promise<Transport> {
  try {
    checkName('service', service);
    if (namespace !== undefined) checkName('namespace', namespace);
    const broker = await brokerFromUrl(url);
    return broker.open({
      connection: 'default',
      service,
      namespace,
      topology,
      connectTimeout: CONNECT_WITHIN,
      clock: systemClock,
      report,
    });
  } catch (error) {
    throw error instanceof ConfigurationError ? new UsageError(error.message, { cause: error }) : error;
  }
}

function handlersOf({ handle = [], work = [], broadcast = [], ordered = [] }: Doing): HandlerDeclaration[] {
  const declare = (
    flag: string,
    text: string,
    source: Destination,
    options: HandlerDeclaration['options'] = {},
  ): HandlerDeclaration => ({
    label: `--${flag} ${text}`,
    source,
    options,
    // Some brokers have to know of the order where it is published.
    ...(ordered.includes(source.name) && {
      contract: defineEvent(source.name, { ordered: true, key: () => '' }),
    }),
  });
  const event = (
    flag: string,
    text: string,
  ): { source: Destination; options: HandlerDeclaration['options'] } => {
    const [name = '', group, ...more] = text.split('@');
    if (more.length > 0) throw new UsageError(`--${flag} ${text}: expected an event, or event@group`);
    return { source: { kind: 'topic', name }, options: group === undefined ? {} : { group } };
  };
  return [
    ...handle.map((text) => {
      const { source, options } = event('handle', text);
      return declare('handle', text, source, options);
    }),
    ...work.map((name) => declare('work', name, { kind: 'queue', name })),
    ...broadcast.map((text) => {
      const { source, options } = event('broadcast', text);
      return declare('broadcast', text, source, { ...options, broadcast: true });
    }),
  ];
}

function publicationsOf({ publish = [], enqueue = [], ordered = [] }: Doing): PublicationDeclaration[] {
  const declare =
    (kind: Destination['kind']) =>
    (name: string): PublicationDeclaration => ({
      destination: { kind, name },
      ordered: ordered.includes(name),
    });
  return [...publish.map(declare('topic')), ...enqueue.map(declare('queue'))];
}

/** @throws {UsageError} if a word cannot be understood, or says something of what there is not */
export function declaredBy(doing: Doing): Declared {
  const handlers = handlersOf(doing);
  const publications = publicationsOf(doing);
  const names = new Set([
    ...handlers.map(({ source }) => source.name),
    ...publications.map(({ destination }) => destination.name),
  ]);
  const unknown = doing.ordered?.find((name) => !names.has(name));
  if (unknown !== undefined)
    throw new UsageError(
      `--ordered ${unknown}: expected one of the events and queues that are named, ${names.size === 0 ? 'and there are none' : `which are ${[...names].join(', ')}`}`,
    );
  return { handlers, publications };
}

/** The only connection of an application that there is not. */
const connectionOf = ({ service, namespace, topology }: Place, transport: Transport) => ({
  transport,
  connection: 'default',
  service,
  namespace,
  topology,
  defaults: [],
});

/** Makes on the broker what an application needs that does this. @throws {MessagingError} whatever is refused */
export async function establishByUrl(place: Place, { handlers, publications }: Declared): Promise<void> {
  const transport = await openTransport({ ...place, topology: 'create' });
  try {
    const usage = usageOf(connectionOf(place, transport), handlers, publications);
    await transport.connect();
    await transport.establish(usage);
  } finally {
    await transport.close();
  }
}

/** Looks at the live broker on behalf of an application that does this. */
export async function examineByUrl(
  place: Place,
  { handlers, publications }: Declared,
  options: ExaminationOptions,
): Promise<ExaminedConnection> {
  const transport = await openTransport(place);
  const findings = await examineConnection(
    connectionOf(place, transport),
    () => transport,
    handlers,
    publications,
    options,
  );
  return { connection: 'default', broker: transport.name, findings };
}

/** What an application that does this would be on the broker. Connects to nothing. */
export async function explainByUrl(
  place: Place,
  { handlers, publications }: Declared,
): Promise<ExplainedConnection> {
  const transport = await openTransport(place);
  try {
    return explainConnection(connectionOf(place, transport), handlers, publications);
  } finally {
    await transport.close();
  }
}
