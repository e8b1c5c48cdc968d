import { brokerError, DriverError } from '../driver-error.js';

/** What kafkajs's errors have, as far as they have it. */
interface KafkajsError extends Error {
  readonly code?: number | string;
  readonly type?: string;
  readonly cause?: unknown;
}

/** What was seen on the connection's sockets: kafkajs keeps only the message. */
export interface Seen {
  readonly error?: NodeJS.ErrnoException;
  /** The broker's first bytes were TLS, and nobody had asked for that. */
  readonly tls?: boolean;
  /** The broker was reached, and TLS has not begun yet. */
  readonly greeting?: boolean;
}

/** Which certificate is not trusted, and why, tells Node by codes such as `DEPTH_ZERO_SELF_SIGNED_CERT`. */
const TLS_CODE = /CERT|^ERR_(TLS|SSL|OSSL)|^EPROTO$|^UNABLE_TO_/;
/** kafkajs tells of a connection lost while logging in as of a failed login. */
const LOST_WHILE_LOGGING_IN =
  /authentication failed: (Connection error|Connection timeout|Closed connection|Not connected)/;

/** What kafkajs threw, in this package's words. */
export function translate(thrown: unknown, address: string, seen: Seen = {}): DriverError {
  if (thrown instanceof DriverError) return thrown;
  if (!(thrown instanceof Error)) return unexpected(String(thrown), thrown);
  const error = thrown as KafkajsError;
  if (typeof error.code === 'number') return fromBroker(error.code, error);
  switch (error.name) {
    case 'KafkaJSSASLAuthenticationError':
      return LOST_WHILE_LOGGING_IN.test(error.message)
        ? connectionError(address, seen, error)
        : new DriverError('AUTHENTICATION', `The broker ${address} refused the login: ${error.message}`, {
            retryable: false,
            cause: error,
          });
    case 'KafkaJSConnectionError':
    case 'KafkaJSConnectionClosedError':
      return connectionError(address, seen, error);
    case 'KafkaJSRequestTimeoutError':
    case 'KafkaJSLockTimeout':
      return timeout(address, error);
    case 'KafkaJSServerDoesNotSupportApiKey':
      return brokerError(35, `The broker ${address} does not know the request: ${error.message}`, error);
    case 'KafkaJSNonRetriableError':
    case 'KafkaJSNumberOfRetriesExceeded':
      return error.cause && error.cause !== error
        ? translate(error.cause, address, seen)
        : unexpected(error.message, error);
    default:
      return unexpected(error.message, error);
  }
}

/** A refused login is told as that, whatever request it came to. */
function fromBroker(code: number, error: KafkajsError): DriverError {
  const known = brokerError(code, error.message, error);
  if (known.code !== 'SASL_AUTHENTICATION_FAILED') return known;
  return new DriverError('AUTHENTICATION', known.message, { retryable: false, cause: error });
}

export function connectionError(address: string, seen: Seen, cause?: unknown): DriverError {
  const why = seen.error ?? (cause as Error | undefined);
  const message = why?.message || 'it ended the connection';
  const code = seen.error?.code ?? '';
  if (seen.tls) {
    return new DriverError('TLS', `The broker ${address} speaks TLS, and the client was told of none.`, {
      retryable: false,
      cause,
    });
  }
  if (TLS_CODE.test(code)) {
    return new DriverError('TLS', `TLS with the broker ${address} failed: ${message}`, {
      retryable: false,
      cause: why,
    });
  }
  if (seen.greeting) {
    // As a broker without TLS does, as soon as it reads the first bytes; or one that is just going down.
    return new DriverError('TLS', `The broker ${address} ended the connection before TLS began: ${message}`, {
      retryable: true,
      cause: why,
    });
  }
  return new DriverError('CONNECTION', `The broker ${address} was not reached or was lost: ${message}`, {
    retryable: true,
    cause: why,
  });
}

export function timeout(address: string, cause?: unknown): DriverError {
  return new DriverError('TIMEOUT', `The broker ${address} has not answered in time.`, {
    retryable: true,
    cause,
  });
}

function unexpected(message: string, cause: unknown): DriverError {
  return new DriverError('UNEXPECTED', `kafkajs failed in a way that nobody expected: ${message}`, {
    retryable: false,
    cause,
  });
}
