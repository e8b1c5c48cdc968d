import type { Message } from './message.js';

/** Writes the attributes of a message for the binary mode of a broker's binding. */
export type CloudEventWriter = (message: Message) => Record<string, string>;

/** Names of attributes, put together once: one that is made anew for each message is looked up anew, too. */
const namesUnder = (prefix: string) => ({
  specversion: `${prefix}specversion`,
  id: `${prefix}id`,
  type: `${prefix}type`,
  source: `${prefix}source`,
  time: `${prefix}time`,
  due: `${prefix}duetime`,
  key: `${prefix}partitionkey`,
  correlation: `${prefix}correlationid`,
  cause: `${prefix}causationid`,
  expiry: `${prefix}expirytime`,
  version: `${prefix}dataversion`,
});

/**
 * For the CloudEvents 1.0 attributes under a binding's own prefix. `partitionkey` is the specification's extension;
 * `duetime`, `correlationid`, `causationid`, `expirytime` and `dataversion` are ours, named by its rules (lower-case letters
 * and digits).
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export function cloudEventWriter(prefix = ''): CloudEventWriter {
  const { specversion, id, type, source, time, due, key, correlation, cause, expiry, version } =
    namesUnder(prefix);
  return (message) => {
    const attributes: Record<string, string> = {
      [specversion]: '1.0',
      [id]: message.id,
      [type]: message.destination.name,
      [source]: message.source ?? '/',
    };
    if (message.publishedAt !== undefined) attributes[time] = isoTime(message.publishedAt);
    if (message.dueAt !== undefined) attributes[due] = new Date(message.dueAt).toISOString();
    if (message.key !== undefined) attributes[key] = message.key;
    if (message.correlationId !== undefined) attributes[correlation] = message.correlationId;
    if (message.causationId !== undefined) attributes[cause] = message.causationId;
    if (message.expiresAt !== undefined) attributes[expiry] = new Date(message.expiresAt).toISOString();
    if (message.version !== undefined) attributes[version] = message.version;
    return attributes;
  };
}

/** The last time that was written, and how: of those that are published in one millisecond only the first is. */
let [written, asText] = [0, new Date(0).toISOString()];

function isoTime(ms: number): string {
  if (ms !== written) [asText, written] = [new Date(ms).toISOString(), ms];
  return asText;
}

function epoch(text: string | undefined): number | undefined {
  const ms = text === undefined ? Number.NaN : Date.parse(text);
  return Number.isNaN(ms) ? undefined : ms;
}

/** What attributes under the binding's prefix say of a message. */
export type CloudEventReader = (
  attributes: Readonly<Record<string, string | undefined>>,
) => Partial<Omit<Message, 'destination' | 'body' | 'contentType' | 'headers'>> & { readonly type?: string };

/** Reads what {@link cloudEventWriter} writes. Foreign producers leave out what they like; nothing here throws. */
export function cloudEventReader(prefix = ''): CloudEventReader {
  const names = namesUnder(prefix);
  return (attributes) => ({
    id: attributes[names.id],
    type: attributes[names.type],
    source: attributes[names.source],
    publishedAt: epoch(attributes[names.time]),
    dueAt: epoch(attributes[names.due]),
    key: attributes[names.key],
    correlationId: attributes[names.correlation],
    causationId: attributes[names.cause],
    expiresAt: epoch(attributes[names.expiry]),
    version: attributes[names.version],
  });
}
