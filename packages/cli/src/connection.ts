import {
  brokerFromUrl,
  ConfigurationError,
  defineEvent,
  type ExaminationOptions,
  type ExaminedConnection,
  type Topology,
} from '@nest-messaging/core';
import {
  systemClock,
  type Destination,
  type Environment,
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

/** Milliseconds. */
const CONNECT_WITHIN = 10_000;

/** A transport that is not connected yet. @throws {UsageError} if the URL or a name cannot be used */
export async function openTransport(
  { url, service, namespace, topology }: Place,
  report: Environment['report'] = () => {},
): Promise<Transport> {
  try {
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
  const event = (text: string): { source: Destination; options: HandlerDeclaration['options'] } => {
    const [name = '', group] = text.split('@');
    return { source: { kind: 'topic', name }, options: group === undefined ? {} : { group } };
  };
  return [
    ...handle.map((text) => {
      const { source, options } = event(text);
      return declare('handle', text, source, options);
    }),
    ...work.map((name) => declare('work', name, { kind: 'queue', name })),
    ...broadcast.map((text) => {
      const { source, options } = event(text);
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
export async function establishByUrl(place: Place, doing: Doing): Promise<void> {
  const transport = await openTransport({ ...place, topology: 'create' });
  try {
    const usage = usageOf(connectionOf(place, transport), handlersOf(doing), publicationsOf(doing));
    await transport.connect();
    await transport.establish(usage);
  } finally {
    await transport.close();
  }
}

/** Looks at the live broker on behalf of an application that does this. */
export async function examineByUrl(
  place: Place,
  doing: Doing,
  options: ExaminationOptions,
): Promise<ExaminedConnection> {
  const transport = await openTransport(place);
  const findings = await examineConnection(
    connectionOf(place, transport),
    () => transport,
    handlersOf(doing),
    publicationsOf(doing),
    options,
  );
  return { connection: 'default', broker: transport.name, findings };
}

/** What an application that does this would be on the broker. Connects to nothing. */
export async function explainByUrl(place: Place, doing: Doing): Promise<ExplainedConnection> {
  const transport = await openTransport(place);
  try {
    return explainConnection(connectionOf(place, transport), handlersOf(doing), publicationsOf(doing));
  } finally {
    await transport.close();
  }
}
