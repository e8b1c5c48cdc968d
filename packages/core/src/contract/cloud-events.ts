import type { Message } from './message.js';

/** Writes the attributes of a message for the binary mode of a broker's binding. */
export type CloudEventWriter = (message: Message) => Record<string, string>;

/**
 * For the CloudEvents 1.0 attributes under a binding's own prefix. `partitionkey` is the specification's extension;
 * `correlationid`, `causationid`, `expirytime` and `dataversion` are ours, named by its rules (lower-case letters and
 * digits).
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export function cloudEventWriter(prefix = ''): CloudEventWriter {
  const named = (name: string): string => `${prefix}${name}`;
  // Once for all messages: a name that is put together anew for each is looked up anew, too.
  const specversion = named('specversion');
  const id = named('id');
  const type = named('type');
  const source = named('source');
  const time = named('time');
  const key = named('partitionkey');
  const correlation = named('correlationid');
  const cause = named('causationid');
  const expiry = named('expirytime');
  const version = named('dataversion');
  return (message) => {
    const attributes: Record<string, string> = {
      [specversion]: '1.0',
      [id]: message.id,
      [type]: message.destination.name,
      [source]: message.source ?? '/',
    };
    if (message.publishedAt !== undefined) attributes[time] = new Date(message.publishedAt).toISOString();
    if (message.key !== undefined) attributes[key] = message.key;
    if (message.correlationId !== undefined) attributes[correlation] = message.correlationId;
    if (message.causationId !== undefined) attributes[cause] = message.causationId;
    if (message.expiresAt !== undefined) attributes[expiry] = new Date(message.expiresAt).toISOString();
    if (message.version !== undefined) attributes[version] = message.version;
    return attributes;
  };
}

function epoch(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** What attributes say of a message. Foreign producers leave out what they like; nothing here throws. */
export function fromCloudEvent(
  attributes: Readonly<Record<string, string | undefined>>,
): Partial<Omit<Message, 'destination' | 'body' | 'contentType' | 'headers'>> & { readonly type?: string } {
  return {
    id: attributes['id'],
    type: attributes['type'],
    source: attributes['source'],
    publishedAt: epoch(attributes['time']),
    key: attributes['partitionkey'],
    correlationId: attributes['correlationid'],
    causationId: attributes['causationid'],
    expiresAt: epoch(attributes['expirytime']),
    version: attributes['dataversion'],
  };
}
