import {
  ClosedError,
  ConnectionError,
  MessageTooLargeError,
  PublishRejectedError,
  TopologyError,
  type MessagingError,
} from '@nest-messaging/core/contract';
import { DriverError } from './driver/driver-error.js';

/** Drivers reject with nothing else; what is not expected is at least seen as what it is. */
export function driverError(error: unknown): DriverError {
  if (error instanceof DriverError) return error;
  const message = error instanceof Error ? error.message : String(error);
  return new DriverError('UNEXPECTED', message, { retryable: false, cause: error });
}

/** What cannot get better by waiting. */
const HOPELESS: ReadonlySet<string> = new Set(['TLS', 'AUTHENTICATION', 'UNSUPPORTED_SASL_MECHANISM']);

export const isHopeless = (error: unknown): boolean =>
  error instanceof DriverError && !error.retryable && HOPELESS.has(error.code);

/** A failed attempt to connect. One that is not `retryable` needs another configuration, not more time. */
export function connectionError(brokers: readonly string[], cause: unknown): ConnectionError {
  const { code, message, retryable } = driverError(cause);
  const fail = (what: string, again = retryable): ConnectionError =>
    new ConnectionError(`Kafka at ${brokers.join(', ')} ${what}`, { cause, retryable: again });
  switch (code) {
    case 'AUTHENTICATION':
      return fail('refused the login: check kafka.sasl, its mechanism, user and password');
    case 'UNSUPPORTED_SASL_MECHANISM':
      return fail('does not offer this way of logging in: check kafka.sasl.mechanism');
    case 'TLS':
      return fail(`cannot be trusted, or speaks no TLS: ${message}; see kafka.tls`);
    case 'LEADER_NOT_AVAILABLE':
      return fail(`is there, but ${message}`, true);
    default:
      return fail(`cannot be reached: ${message}`, true);
  }
}

/** The broker said no to a topic. */
export function topologyError(topic: string, cause: unknown): TopologyError {
  const { code, message } = driverError(cause);
  const fail = (what: string): TopologyError => new TopologyError(what, { cause });
  switch (code) {
    case 'TOPIC_AUTHORIZATION_FAILED':
    case 'CLUSTER_AUTHORIZATION_FAILED':
      return fail(
        `the user may not create topic '${topic}': grant the right to (CREATE on the topic or the cluster), or create it beforehand and use topology 'validate'`,
      );
    case 'INVALID_TOPIC_EXCEPTION':
      return fail(
        `Kafka refuses topic '${topic}': ${message}; names that differ only in '.' and '_' cannot coexist, rename one`,
      );
    case 'INVALID_REPLICATION_FACTOR':
      return fail(
        `Kafka cannot give topic '${topic}' as many replicas: ${message}; see kafka.replicas, at most one a broker`,
      );
    case 'INVALID_CONFIG':
    case 'POLICY_VIOLATION':
    case 'INVALID_PARTITIONS':
      return fail(`Kafka refuses the settings of topic '${topic}': ${message}; see kafka.topicConfig`);
    default:
      return fail(`Kafka did not create topic '${topic}': ${message}`);
  }
}

export function missingTopic(topic: string): TopologyError {
  return new TopologyError(
    `topic '${topic}' does not exist, or the user may not see it: create it, or let the module do so with topology 'create'`,
  );
}

/** The broker does not tell whether topics exist. */
export function hiddenTopics(topics: readonly string[], cause: unknown): TopologyError {
  return new TopologyError(
    `Kafka does not tell of ${topics.map((topic) => `'${topic}'`).join(', ')}: ${driverError(cause).message}; grant DESCRIBE on the topics`,
    { cause },
  );
}

/** Why the broker refuses a member of a group, and what to do about it. */
export function groupRefusal(group: string, what: string, { code, message }: DriverError): string {
  switch (code) {
    case 'GROUP_AUTHORIZATION_FAILED':
      return `the user may not use consumer group '${group}' for ${what}: grant READ on it`;
    case 'TOPIC_AUTHORIZATION_FAILED':
      return `the user may not read all topics of ${what}: grant READ on its topics, '--retry', '--dead' and '--delay-n' among them (${message})`;
    case 'INVALID_SESSION_TIMEOUT':
      return `Kafka refuses the session time-out of ${what}: see kafka.sessionTimeout, and the broker's group.min.session.timeout.ms and group.max.session.timeout.ms`;
    case 'INCONSISTENT_GROUP_PROTOCOL':
    case 'UNKNOWN_MEMBER_ID':
      return `consumer group '${group}' of ${what} has members that are not of this module: end them, or choose another group or namespace`;
    default:
      return `Kafka refused consumer group '${group}' for ${what}: ${message}`;
  }
}

/** The broker refused a group. */
export function groupError(group: string, what: string, cause: unknown): TopologyError {
  return new TopologyError(groupRefusal(group, what, driverError(cause)), { cause });
}

/** What a request for a group failed with, as the application is told: of drivers it knows nothing. */
export function requestError(
  brokers: readonly string[],
  group: string,
  what: string,
  error: unknown,
): unknown {
  if (!(error instanceof DriverError)) return error;
  if (error.code === 'CLOSED') return new ClosedError('the transport is closed', { cause: error });
  if (error.retryable || isHopeless(error)) return connectionError(brokers, error);
  return groupError(group, what, error);
}

/** What ends a publish for good. */
export function publishError(topic: string, cause: unknown): MessagingError {
  const { code, message } = driverError(cause);
  switch (code) {
    case 'MESSAGE_TOO_LARGE':
    case 'RECORD_LIST_TOO_LARGE':
      return new MessageTooLargeError(
        `the message is larger than topic '${topic}' takes: publish a reference to it, or raise the topic's max.message.bytes`,
        { cause },
      );
    case 'TOPIC_AUTHORIZATION_FAILED':
      return new PublishRejectedError(`the user may not write to topic '${topic}': grant WRITE on it`, {
        cause,
      });
    case 'CLUSTER_AUTHORIZATION_FAILED':
      return new PublishRejectedError(
        'the user may not produce idempotently: grant IDEMPOTENT_WRITE on the cluster (Kafka before 3.0)',
        { cause },
      );
    default:
      return new PublishRejectedError(`Kafka refused the message for topic '${topic}': ${message}`, {
        cause,
      });
  }
}
