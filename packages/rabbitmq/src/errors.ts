import {
  ConnectionError,
  MessageTooLargeError,
  PublishRejectedError,
  TopologyError,
  type MessagingError,
} from '@nest-messaging/core/contract';
import type { Address } from './address.js';
import type { Resource } from './topology.js';

/** AMQP reply codes, as RabbitMQ uses them. @see https://www.rabbitmq.com/docs/channels#error-handling */
export const CODE = {
  connectionForced: 320,
  accessRefused: 403,
  notFound: 404,
  resourceLocked: 405,
  preconditionFailed: 406,
} as const;

const messageOf = (error: unknown): string =>
  (error as { message?: string } | undefined)?.message ?? String(error);

/** The broker's reply code, where the broker said something; amqplib puts it where Node puts `'ECONNRESET'`. */
export function replyCode(error: unknown): number | undefined {
  const code: unknown = (error as { code?: unknown } | undefined)?.code;
  return typeof code === 'number' ? code : undefined;
}

/** The broker's texts tell the user's name. */
export function withoutUser(error: unknown): unknown {
  if (!(error instanceof Error) || !/user '/.test(error.message)) return error;
  return new Error(error.message.replaceAll(/user '[^']*'/g, 'the user'));
}

/** What cannot get better by waiting: certificates that are not trusted. */
const TLS_FAILURE =
  /^(ERR_TLS|ERR_SSL|CERT_|DEPTH_ZERO_SELF_SIGNED|SELF_SIGNED|UNABLE_TO_(VERIFY|GET_ISSUER)|EPROTO)|certificate|SSL routines/;

/** A failed attempt to connect. One that is not `retryable` needs another configuration, not more time. */
export function connectionError({ shown, vhost }: Address, error: unknown): ConnectionError {
  const text = messageOf(error);
  const code: unknown = (error as { code?: unknown } | undefined)?.code;
  const cause = withoutUser(error);
  const fail = (what: string, retryable = false): ConnectionError =>
    new ConnectionError(`RabbitMQ at ${shown} ${what}`, { cause, retryable });
  if (/ACCESS[-_]REFUSED/.test(text)) return fail('refused the login: check user and password');
  // The broker's reason comes in a frame of which amqplib keeps no more than the name.
  if (/Expected ConnectionOpenOk; got <ConnectionClose|NOT[-_]ALLOWED/.test(text))
    return fail(`has no virtual host '${vhost}', or the user may not use it`);
  if (/SASL mechanism/.test(text)) return fail(`does not offer the way of logging in: ${text}`);
  if (TLS_FAILURE.test(typeof code === 'string' ? code : '') || TLS_FAILURE.test(text))
    return fail(`cannot be trusted, or speaks no TLS: ${text}; see rabbitmq.client for certificates`);
  if (/ENOTFOUND|EAI_AGAIN/.test(text)) return fail('cannot be found: there is no such host', true);
  return fail(`cannot be reached: ${text}`, true);
}

export const lostConnection = ({ shown }: Address, cause?: unknown): ConnectionError =>
  new ConnectionError(`the connection to RabbitMQ at ${shown} was lost`, { cause: withoutUser(cause) });

function nameOf(resource: Resource): string {
  if (resource.kind !== 'binding') return `${resource.kind} '${resource.name}'`;
  const to = 'queue' in resource.to ? `queue '${resource.to.queue}'` : `exchange '${resource.to.exchange}'`;
  return `binding of ${to} to exchange '${resource.from}'`;
}

/** "inequivalent arg 'x-queue-type' for queue 'q' in vhost '/': received … but current is …" */
const INEQUIVALENT =
  /inequivalent arg '([^']+)' for (\w+) '([^']+)'.*?: received (.+?) but current is (.+?)"?$/s;

/** The broker's words for an argument: `the value 'quorum' of type 'longstr'`, `none`, `'true'`. */
const value = (text: string): string => text.replace(/^the value (.*) of type '\w+'$/s, '$1');

/** The broker said no to a resource. */
export function topologyError(resource: Resource, error: unknown): TopologyError {
  const what = nameOf(resource);
  const cause = withoutUser(error);
  switch (replyCode(error)) {
    case CODE.notFound: {
      const foreign = resource.kind !== 'binding' && resource.foreign;
      return new TopologyError(
        resource.kind === 'binding'
          ? `${what} cannot be made: one of the two does not exist`
          : `${what} does not exist: create it${foreign ? ', or name another in the option rabbitmq' : ", or let the module do so with topology 'create'"}`,
        { cause },
      );
    }
    case CODE.accessRefused:
      return new TopologyError(
        `the user may not create ${what}: grant the right to configure it (and, for a binding, to write to the queue and read from the exchange), or create it beforehand and use topology 'validate'`,
        { cause },
      );
    case CODE.resourceLocked:
      return new TopologyError(
        `${what} belongs to another connection alone (it is exclusive): use another name`,
        {
          cause,
        },
      );
    case CODE.preconditionFailed: {
      const [, argument, kind, name, expected, found] = INEQUIVALENT.exec(messageOf(error)) ?? [];
      if (argument === undefined) break;
      return new TopologyError(
        `${kind} '${name}' exists ${found === 'none' ? `without ${argument}` : `with ${argument} ${value(found!)}`}, expected ${value(expected!)}: nothing was changed; delete it once it is empty and let it be created anew, or choose another namespace or service name${argument === 'x-queue-type' ? ', or set rabbitmq.queueType to the type it has' : ''}`,
        { cause },
      );
    }
  }
  return new TopologyError(`RabbitMQ refused ${what}: ${messageOf(cause)}`, { cause });
}

/** "access to topic 't' in exchange 'e' in vhost '/' refused": a right of its own, beside that to the exchange. */
const TOPIC_REFUSED = /access to topic '(.*)' in exchange /s;

/** The broker closed a channel because of this publish. */
export function publishError(exchange: string, error: unknown): MessagingError {
  const cause = withoutUser(error);
  switch (replyCode(error)) {
    case CODE.notFound:
      return new PublishRejectedError(`exchange '${exchange}' does not exist: create it, or name another`, {
        cause,
      });
    case CODE.accessRefused: {
      const topic = TOPIC_REFUSED.exec(messageOf(error))?.[1];
      return new PublishRejectedError(
        topic === undefined
          ? `the user may not publish to exchange '${exchange}': grant the right to write to it`
          : `the user may not publish to topic '${topic}' of exchange '${exchange}': grant the right to write to it among the user's topic permissions`,
        { cause },
      );
    }
    case CODE.preconditionFailed:
      if (/message size/.test(messageOf(error)))
        return new MessageTooLargeError(
          "the body is larger than the broker's max_message_size: publish a reference to it, or raise the limit there",
          { cause },
        );
  }
  return new PublishRejectedError(`RabbitMQ refused the message: ${messageOf(cause)}`, { cause });
}
