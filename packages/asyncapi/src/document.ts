import type { INestApplicationContext } from '@nestjs/common';
import type { ExplainedConnection, ExplainedPayload, MessagingExplorer } from '@nest-messaging/core';
import { matches, type Destination, type EventContract } from '@nest-messaging/core/contract';
import { locate, operationBindings, type Located } from './bindings.js';
import { classSchemas, type ClassSchemas } from './classes.js';
import { channelId, distinctIds, plain, reference, type Named } from './ids.js';
import { wireSchema, type JsonSchema } from './schemas.js';

/** Of the module's, whichever copy of it the application has. */
const EXPLORER = Symbol.for('nest-messaging:explorer');

type Dictionary = Readonly<Record<string, unknown>>;

/** A document of AsyncAPI 3. @see https://www.asyncapi.com/docs/reference/specification/v3.0.0 */
export interface AsyncApiDocument {
  readonly asyncapi: '3.0.0';
  readonly info: Dictionary;
  readonly servers?: Dictionary;
  readonly defaultContentType: string;
  readonly channels: Readonly<Record<string, Dictionary>>;
  readonly operations: Readonly<Record<string, Dictionary>>;
  readonly components: {
    readonly messages: Readonly<Record<string, Dictionary>>;
    readonly schemas: Readonly<Record<string, JsonSchema>>;
  };
}

export interface AsyncApiOptions {
  /** Of the application: `description`, `contact` … go in as they are. @default the service's name, version '0.0.0' */
  readonly info?: { readonly title?: string; readonly version?: string } & Dictionary;
  /** As AsyncAPI has them. @default none: the module's URLs may hold passwords */
  readonly servers?: Dictionary;
  /** Media type of what the module's codec makes. @default 'application/json' */
  readonly contentType?: string;
}

/** Collects what is said of each name once; what is said first wins. */
function createDictionary<T>() {
  const entries = new Map<string, T>();
  return {
    entries,
    add(name: string, make: () => T): string {
      if (!entries.has(name)) entries.set(name, make());
      return name;
    },
  };
}

interface Operation extends Named {
  readonly described: Dictionary;
}

/** The message of one payload, and which topic it is published under. */
interface Known {
  readonly id: string;
  readonly connection: string;
  readonly destination: Destination;
}

/** Wildcards are parameters of an address. */
function parametrised(address: string): { address: string; parameters?: Dictionary } {
  const parameters: Record<string, Dictionary> = {};
  const written = address.replaceAll(/[*#]/g, (wildcard) => {
    const name = `${wildcard === '*' ? 'word' : 'words'}${Object.keys(parameters).length + 1}`;
    parameters[name] = { description: wildcard === '*' ? 'one word' : 'any number of words, none included' };
    return `{${name}}`;
  });
  return Object.keys(parameters).length === 0 ? { address } : { address: written, parameters };
}

const messageId = (
  connection: string,
  destination: Destination,
  contract?: EventContract<any, any>,
): string => {
  const version = contract?.version;
  return `${channelId(connection, destination)}${version === undefined ? '' : `--v${plain(version)}`}`;
};

function payloadOf(
  { contract, type }: ExplainedPayload,
  id: string,
  classes: ClassSchemas,
  schemas: Map<string, JsonSchema>,
): Dictionary | undefined {
  if (contract?.schema) {
    const schema = wireSchema(contract.schema, `#/components/schemas/${id}`);
    if (!schema) return undefined;
    schemas.set(id, schema);
    return reference('components', 'schemas', id);
  }
  const named = type && classes.nameOf(type);
  return named === undefined ? undefined : reference('components', 'schemas', named);
}

/** Those that say more of a payload first. */
const informative = ({ contract, type }: ExplainedPayload): number => (contract?.schema ? 0 : type ? 1 : 2);

/**
 * The document of what an application really does: the topics and queues it publishes to and handles, where they are on
 * its brokers, and what their payloads are, as far as contracts say it (Standard Schema with JSON Schema), or classes
 * that `@nestjs/swagger` knows. The application need not have started.
 *
 * @throws if the application has no `MessagingModule`
 */
export async function asyncApiDocument(
  app: INestApplicationContext,
  { info = {}, servers, contentType = 'application/json' }: AsyncApiOptions = {},
): Promise<AsyncApiDocument> {
  const explorer = app.get<MessagingExplorer>(EXPLORER, { strict: false });
  const { connections } = explorer.explain();
  const payloads = [...explorer.payloads()].sort((a, b) => informative(a) - informative(b));
  const classes = await classSchemas(
    app,
    payloads.flatMap(({ contract, type }) => (type && !contract?.schema ? [type] : [])),
    new Set(
      payloads.flatMap(({ connection, destination, contract }) =>
        contract?.schema ? [messageId(connection, destination, contract)] : [],
      ),
    ),
  );

  const schemas = new Map<string, JsonSchema>(Object.entries(classes.schemas));
  const messages = createDictionary<Dictionary>();
  const channels = createDictionary<{ located: Located; messages: Set<string> }>();
  const operations: Operation[] = [];

  const known = payloads.map((payload): Known => {
    const { connection, destination, contract } = payload;
    const id = messageId(connection, destination, contract);
    messages.add(id, () => {
      const described = payloadOf(payload, id, classes, schemas);
      return {
        name: destination.name,
        title: `${destination.name}${contract?.version === undefined ? '' : `, version ${contract.version}`}`,
        contentType,
        ...(described && { payload: described }),
      };
    });
    return { id, connection, destination };
  });

  /** Of a pattern: all that are known of, or else what it says itself. */
  const messagesOf = (connection: string, destination: Destination): string[] => {
    const here = known.filter((one) => one.connection === connection);
    const own = here.filter(
      (one) => one.destination.kind === destination.kind && one.destination.name === destination.name,
    );
    if (destination.kind === 'queue' || !/[*#]/.test(destination.name))
      return [...new Set(own.map(({ id }) => id))];
    const covered = here.filter(
      (one) =>
        one.destination.kind === 'topic' &&
        !/[*#]/.test(one.destination.name) &&
        matches(destination.name, one.destination.name),
    );
    return [...new Set((covered.length > 0 ? covered : own).map(({ id }) => id))];
  };

  const operate = (
    action: 'send' | 'receive',
    { connection, broker }: ExplainedConnection,
    destination: Destination,
    located: Located,
    more: Dictionary,
  ): Dictionary => {
    const channel = channels.add(channelId(connection, destination), () => ({
      located,
      messages: new Set(),
    }));
    const carried = messagesOf(connection, destination);
    for (const message of carried) channels.entries.get(channel)!.messages.add(message);
    return {
      action,
      channel: reference('channels', channel),
      messages: carried.map((message) => reference('channels', channel, 'messages', message)),
      ...more,
      ...(broker === 'memory' ? {} : { tags: [{ name: broker }] }),
    };
  };

  for (const connection of connections) {
    const { broker } = connection;
    const channelOf = (destination: Destination): string => channelId(connection.connection, destination);
    const published = new Set<string>();
    for (const { destination, resources } of connection.publications) {
      const id = `publish--${channelOf(destination)}`;
      // Said twice, as ordered and as not.
      if (published.has(id)) continue;
      published.add(id);
      const located = locate(broker, destination, resources);
      const described = operate('send', connection, destination, located, {});
      operations.push({ id, name: destination.name, described });
    }
    for (const one of connection.handlers) {
      const { handler, source, group, subscription, resources, refusals, needs } = one;
      if (refusals.length > 0) continue;
      const bindings = operationBindings(broker, subscription);
      // A group may have both of one event: what is shared among its processes, and what each of them gets.
      const broadcast = needs.some(({ need }) => need === 'broadcast');
      const who = plain(source.kind === 'queue' ? 'worker' : group);
      const located = locate(broker, source, resources, subscription);
      const described = operate('receive', connection, source, located, {
        title: handler,
        summary:
          source.kind === 'queue'
            ? 'Each message goes to one worker.'
            : `Group ${group}, by subscription ${subscription ?? 'of each process'}.`,
        ...(bindings && { bindings }),
      });
      const id = `handle--${who}--${channelOf(source)}${broadcast ? '--broadcast' : ''}`;
      operations.push({ id, name: handler, described });
    }
  }

  const used = new Set([...channels.entries.values()].flatMap((channel) => [...channel.messages]));
  const ids = distinctIds(operations);
  const service = connections[0]?.service ?? 'application';
  return {
    asyncapi: '3.0.0',
    info: { title: service, version: '0.0.0', ...info },
    ...(servers && { servers }),
    defaultContentType: contentType,
    channels: Object.fromEntries(
      [...channels.entries].map(([id, { located, messages: carried }]) => [
        id,
        {
          ...parametrised(located.address),
          messages: Object.fromEntries(
            [...carried].map((message) => [message, reference('components', 'messages', message)]),
          ),
          ...(located.bindings && { bindings: located.bindings }),
        },
      ]),
    ),
    operations: Object.fromEntries(operations.map(({ described }, at) => [ids[at]!, described])),
    components: {
      messages: Object.fromEntries([...messages.entries].filter(([id]) => used.has(id))),
      schemas: Object.fromEntries(schemas),
    },
  };
}
