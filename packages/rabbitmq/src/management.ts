import { ConfigurationError, ConnectionError } from '@nest-messaging/core/contract';
import * as v from 'valibot';

/** A queue as the management API lists it. */
export interface ListedQueue {
  readonly name: string;
  readonly messages: number;
  readonly consumers: number;
}

const schema = v.array(
  v.object({
    name: v.string(),
    // Left out for a moment after a queue was made.
    messages: v.optional(v.number(), 0),
    consumers: v.optional(v.number(), 0),
  }),
);

/** Milliseconds. */
const ANSWER_WITHIN = 10_000;

/**
 * All queues of a virtual host.
 * @param url such as `http://user:password@host:15672`; no error shows it
 * @throws {ConfigurationError | ConnectionError}
 * @see https://www.rabbitmq.com/docs/management#http-api
 */
export async function queuesOf(url: string, vhost: string): Promise<readonly ListedQueue[]> {
  if (!/^https?:/.test(url) || !URL.canParse(url))
    throw new ConfigurationError(
      "the management URL cannot be read: expected 'http://user:password@host:15672'",
    );
  const { protocol, host, pathname, username, password } = new URL(url);
  const login = [username || 'guest', password || 'guest'].map(decodeURIComponent).join(':');
  const path = `${pathname.replace(/\/$/, '')}/api/queues/${encodeURIComponent(vhost)}`;
  let response: Response;
  try {
    response = await fetch(`${protocol}//${host}${path}`, {
      headers: { authorization: `Basic ${Buffer.from(login).toString('base64')}` },
      signal: AbortSignal.timeout(ANSWER_WITHIN),
    });
  } catch (cause) {
    throw new ConnectionError(`the management API at ${host} cannot be reached`, { cause });
  }
  if (!response.ok)
    throw new ConnectionError(
      `the management API at ${host} answered ${response.status}: check user and password, and that the user has the tag management or monitoring`,
    );
  const queues = v.safeParse(schema, await response.json().catch(() => undefined));
  if (!queues.success) throw new ConnectionError(`what answers at ${host} is no management API of RabbitMQ`);
  return queues.output;
}
