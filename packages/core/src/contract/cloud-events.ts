import type { Message } from './message.js';

/**
 * The CloudEvents 1.0 attributes of a message, for the binary mode of a broker's binding: each transport adds its
 * own prefix. `partitionkey` is the specification's extension; `correlationid`, `causationid`, `expirytime` and
 * `dataversion` are ours, named by its rules (lower-case letters and digits).
 * @see https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
 */
export function toCloudEvent(message: Message): Record<string, string> {
  const attributes: Record<string, string | undefined> = {
    specversion: '1.0',
    id: message.id,
    type: message.destination.name,
    source: message.source ?? '/',
    time: message.publishedAt === undefined ? undefined : new Date(message.publishedAt).toISOString(),
    partitionkey: message.key,
    correlationid: message.correlationId,
    causationid: message.causationId,
    expirytime: message.expiresAt === undefined ? undefined : new Date(message.expiresAt).toISOString(),
    dataversion: message.version,
  };
  return Object.fromEntries(
    Object.entries(attributes).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
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
