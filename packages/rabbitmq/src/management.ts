import { ConfigurationError, ConnectionError } from '@nest-messaging/core/contract';
import * as v from 'valibot';

/** A queue as the management API lists it. */
export interface ListedQueue {
  readonly name: string;
  readonly messages: number;
  readonly consumers: number;
}

/** A binding as the management API lists it. */
export interface ListedBinding {
  readonly source: string;
  readonly destination: string;
  readonly destination_type: string;
  readonly routing_key: string;
  readonly arguments: Readonly<Record<string, unknown>>;
}

/** Regular expressions, of which an empty one permits nothing. */
export interface Permissions {
  readonly configure: string;
  readonly write: string;
  readonly read: string;
}

/**
 * What the management API tells of a virtual host.
 * @see https://www.rabbitmq.com/docs/http-api-reference
 */
export interface Management {
  /** @throws {ConnectionError} */
  queues(): Promise<readonly ListedQueue[]>;
  /** @throws {ConnectionError} */
  bindings(): Promise<readonly ListedBinding[]>;
  /**
   * What a user may do there: `hidden` from all but administrators; undefined where RabbitMQ has kept nothing of the user.
   * @throws {ConnectionError}
   */
  permissions(user: string): Promise<Permissions | 'hidden' | undefined>;
}

const queueSchema = v.object({
  name: v.string(),
  // Left out for a moment after a queue was made.
  messages: v.optional(v.number(), 0),
  consumers: v.optional(v.number(), 0),
});
const bindingSchema = v.object({
  source: v.string(),
  destination: v.string(),
  destination_type: v.string(),
  routing_key: v.string(),
  arguments: v.record(v.string(), v.unknown()),
});
const permissionsSchema = v.object({ configure: v.string(), write: v.string(), read: v.string() });

/** Milliseconds. */
const ANSWER_WITHIN = 10_000;

/**
 * @param url such as `http://user:password@host:15672`; no error shows it
 * @throws {ConfigurationError}
 */
export function managementAt(url: string, vhost: string): Management {
  if (!/^https?:/.test(url) || !URL.canParse(url))
    throw new ConfigurationError(
      "the management URL cannot be read: expected 'http://user:password@host:15672'",
    );
  const { protocol, host, pathname, username, password } = new URL(url);
  const login = [username || 'guest', password || 'guest'].map(decodeURIComponent).join(':');
  const base = `${protocol}//${host}${pathname.replace(/\/$/, '')}/api`;

  const get = async (...path: readonly string[]): Promise<Response> => {
    try {
      return await fetch([base, ...path.map(encodeURIComponent)].join('/'), {
        headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
        signal: AbortSignal.timeout(ANSWER_WITHIN),
      });
    } catch (cause) {
      throw new ConnectionError(`the management API at ${host} cannot be reached`, { cause });
    }
  };

  const read = async <T>(response: Response, schema: v.GenericSchema<unknown, T>): Promise<T> => {
    if (!response.ok)
      throw new ConnectionError(
        `the management API at ${host} answered ${response.status}: check user and password, and that the user has the tag management or monitoring`,
      );
    const told = v.safeParse(schema, await response.json().catch(() => undefined));
    if (!told.success) throw new ConnectionError(`what answers at ${host} is no management API of RabbitMQ`);
    return told.output;
  };

  return {
    queues: async () => read(await get('queues', vhost), v.array(queueSchema)),
    bindings: async () => read(await get('bindings', vhost), v.array(bindingSchema)),
    async permissions(user) {
      const response = await get('permissions', vhost, user);
      if (response.status === 401 || response.status === 403) return 'hidden';
      if (response.status === 404) return undefined;
      return read(response, permissionsSchema);
    },
  };
}
