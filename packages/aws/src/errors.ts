import {
  ConnectionError,
  MessageTooLargeError,
  PublishRejectedError,
  TopologyError,
  type MessagingError,
} from '@nest-messaging/core/contract';

interface AwsError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
  readonly $retryable?: object;
}

const of = (error: unknown): AwsError => (typeof error === 'object' && error !== null ? error : {});

/** Codes of a batch's entries, and names of whole answers, without the prefix that the older protocol has. */
export const nameOf = (error: unknown): string =>
  (of(error).name ?? '').replace(/^AWS\.SimpleQueueService\./, '');

/** The service answered, were it with no. */
export const answered = (error: unknown): boolean => of(error).$metadata?.httpStatusCode !== undefined;

const CREDENTIALS =
  /^(CredentialsProviderError|InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSecurity|ExpiredToken(Exception)?|TokenRefreshRequired|RequestExpired|IncompleteSignature|MissingAuthenticationToken)$/;
const THROTTLED =
  /Throttl|TooManyRequests|RequestLimitExceeded|RequestThrottled|KmsThrottled|SlowDown|OverLimit|ServiceUnavailable|InternalError|InternalFailure/;

export const isCredentials = (error: unknown): boolean => CREDENTIALS.test(nameOf(error));

/** The same request may succeed later. */
export function isRetryable(error: unknown): boolean {
  const { $metadata, $retryable } = of(error);
  const status = $metadata?.httpStatusCode;
  if (THROTTLED.test(nameOf(error)) || $retryable !== undefined) return true;
  // Expired ones are fetched anew by the SDK; those that are wrong are mended by people, while messages wait.
  if (isCredentials(error)) return true;
  return status === undefined ? !(error instanceof TypeError) : status >= 500;
}

const said = (error: unknown): string => {
  const { message, name, code } = of(error);
  return message || code || name || String(error);
};

/** Where the services are, for people: an emulator's address, or the region's. */
export function connectionError(where: string, cause: unknown): ConnectionError {
  if (nameOf(cause) === 'CredentialsProviderError')
    return new ConnectionError(
      `SNS and SQS at ${where} need credentials, and the SDK finds none: set them where its chain of providers looks, or give aws.client.credentials`,
      { cause, retryable: false },
    );
  if (isCredentials(cause))
    return new ConnectionError(`SNS and SQS at ${where} refused the credentials: ${nameOf(cause)}`, {
      cause,
      retryable: false,
    });
  return new ConnectionError(`SNS and SQS at ${where} cannot be reached: ${said(cause)}`, { cause });
}

const DENIED = /AccessDenied|AuthorizationError|NotAuthorized/;

/** The service said no to a topic, a queue or a subscription. */
export function topologyError(what: string, right: string, cause: unknown): TopologyError {
  return new TopologyError(
    DENIED.test(nameOf(cause))
      ? `the credentials do not allow ${right} for ${what}: grant it, or create ${what} beforehand and use topology 'validate'`
      : `AWS refused ${what}: ${said(cause)}`,
    { cause },
  );
}

export function missing(what: string): TopologyError {
  return new TopologyError(
    `${what} does not exist, or the credentials do not show it: create it, or let the module do so with topology 'create'`,
  );
}

/** What ends a publish for good. */
export function publishError(what: string, cause: unknown): MessagingError {
  const name = nameOf(cause);
  if (
    /TooLong|TooLarge|MessageTooLong|BatchRequestTooLong/.test(name) ||
    /longer than|too (long|large)/i.test(said(cause))
  )
    return new MessageTooLargeError(
      `the message with its attributes is larger than ${what} takes: publish a reference to it`,
      { cause },
    );
  if (DENIED.test(name))
    return new PublishRejectedError(`the credentials do not allow publishing to ${what}`, { cause });
  return new PublishRejectedError(`AWS refused the message for ${what}: ${said(cause)}`, { cause });
}

export const isMissing = (error: unknown): boolean =>
  /NonExistentQueue|QueueDoesNotExist|NotFound/.test(nameOf(error));
