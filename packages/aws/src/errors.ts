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
  readonly $metadata?: { readonly httpStatusCode?: number; readonly clockSkewCorrected?: true };
  readonly $retryable?: object;
}

const of = (error: unknown): AwsError => (typeof error === 'object' && error !== null ? error : {});

/** Codes of a batch's entries, and names of whole answers, without the prefix that the older protocol has. */
export const nameOf = (error: unknown): string =>
  (of(error).name ?? '').replace(/^AWS\.SimpleQueueService\./, '');

/** The status of an answer that is an error. One that broke off while it was read had said before that all is well. */
const statusOf = (error: unknown): number | undefined => {
  const status = of(error).$metadata?.httpStatusCode;
  return status !== undefined && status >= 400 ? status : undefined;
};

/** The service answered, were it with no. */
export const answered = (error: unknown): boolean => statusOf(error) !== undefined;

/** Nobody is known by these, or there are none. */
const CREDENTIALS =
  /^(CredentialsProviderError|TokenProviderError|InvalidClientTokenId|UnrecognizedClientException|InvalidAccessKeyId|SignatureDoesNotMatch|InvalidSignatureException|InvalidSecurity(Exception)?|IncompleteSignature|MissingAuthenticationToken|AuthFailure)$/;
/** They were good: the SDK asks its provider for new ones five minutes before the end that the provider has told. */
const EXPIRED = /^(ExpiredToken(Exception)?|TokenRefreshRequired|RequestExpired)$/;
/** This machine's clock is wrong. The SDK learns by how much from the answer, and signs the next request by that. */
const SKEWED = /^(RequestTimeTooSkewed|RequestInTheFuture)$/;
/** https://docs.aws.amazon.com/sns/latest/api/CommonErrors.html, and each operation's own: `KMSThrottling` and its kin. */
const THROTTLED =
  /Throttl|TooManyRequests|RequestLimitExceeded|BandwidthLimitExceeded|PriorRequestNotComplete|SlowDown|OverLimit|ConcurrentAccess/i;
const BROKEN = /ServiceUnavailable|Internal(Error|Failure|ServerError)|RequestTimeout/;
const DENIED = /AccessDenied|AuthorizationError|NotAuthorized/i;
const UNSENT = /^Region is missing/;
/** Node's words for certificates that are not trusted, and for an answer that is no TLS. */
const UNTRUSTED = /certificate|SSL routines/i;
/** The key that encrypts a topic or a queue. */
const KEY = /^KMS/i;

export const isExpired = (error: unknown): boolean => EXPIRED.test(nameOf(error));

export function isCredentials(error: unknown): boolean {
  const skewed = of(error).$metadata?.clockSkewCorrected === true;
  return !skewed && (CREDENTIALS.test(nameOf(error)) || isExpired(error));
}

/** Too much was asked for at once: no fault of the connection. */
export const isThrottled = (error: unknown): boolean => THROTTLED.test(nameOf(error));

/** Refused for want of a right. */
export const isDenied = (error: unknown): boolean => DENIED.test(nameOf(error));

/** The same request may succeed later. */
export function isRetryable(error: unknown): boolean {
  const { $metadata, $retryable } = of(error);
  const status = statusOf(error);
  const name = nameOf(error);
  if (isThrottled(error) || BROKEN.test(name) || SKEWED.test(name) || $retryable !== undefined) return true;
  // Expired ones are fetched anew by the SDK; those that are wrong are mended by people, while messages wait.
  if (isCredentials(error) || $metadata?.clockSkewCorrected) return true;
  if (status !== undefined) return status >= 500;
  // Without an answer it is the network's fault, but for what the SDK itself refuses to send.
  return name !== 'TypeError' && !UNSENT.test(of(error).message ?? '');
}

/** Another receipt has taken a message's place, or it is visible again, or deleted. */
export function isReceiptOver(error: unknown): boolean {
  const name = nameOf(error);
  if (/^(ReceiptHandleIsInvalid|MessageNotInflight)$/.test(name)) return true;
  // A FIFO queue says no more than this of a receipt whose time is over.
  return name.startsWith('InvalidParameterValue') && /receipt ?handle/i.test(of(error).message ?? '');
}

/** A refused signature is answered with what should have been signed, the session's token included: not for people. */
export function said(error: unknown): string {
  const { message, name, code } = of(error);
  if (isCredentials(error)) return `the credentials are refused: ${nameOf(error)}`;
  return message || code || name || String(error);
}

function withoutSecrets(error: unknown): Error {
  const { $metadata } = of(error);
  return Object.assign(new Error(`AWS answered ${nameOf(error)}`), { name: nameOf(error), $metadata });
}

/** An error that people may see: as it is, but for what a refused signature is answered with. */
export const shown = (error: unknown): unknown => (isCredentials(error) ? withoutSecrets(error) : error);

/** Where the services are, for people: an emulator's address, or the region's. */
export function connectionError(where: string, cause: unknown): ConnectionError {
  const name = nameOf(cause);
  if (name.endsWith('ProviderError'))
    return new ConnectionError(
      `SNS and SQS at ${where} need credentials, and the SDK finds none: set them where its chain of providers looks, or give aws.client.credentials`,
      { cause, retryable: false },
    );
  if (isExpired(cause))
    return new ConnectionError(
      `SNS and SQS at ${where} refused the credentials: ${name}; they are asked again when the provider of the credentials has new ones`,
      { cause: withoutSecrets(cause) },
    );
  if (isCredentials(cause))
    return new ConnectionError(
      `SNS and SQS at ${where} refused the credentials: ${name}; give those of an account that exists, and check this machine's clock`,
      { cause: withoutSecrets(cause), retryable: false },
    );
  if (!answered(cause) && UNTRUSTED.test(said(cause)))
    return new ConnectionError(
      `SNS and SQS at ${where} cannot be trusted, or speak no TLS: ${said(cause)}; see aws.client for certificates (requestHandler.httpsAgent.ca, or the variable NODE_EXTRA_CA_CERTS)`,
      { cause, retryable: false },
    );
  return new ConnectionError(`SNS and SQS at ${where} cannot be reached: ${said(cause)}`, {
    cause,
    retryable: answered(cause) || isRetryable(cause),
  });
}

/** The service said no to a topic, a queue or a subscription. */
export function topologyError(what: string, right: string, cause: unknown): TopologyError {
  return new TopologyError(
    isDenied(cause)
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
  if (/TooLong|TooLarge/.test(name) || /longer than|too (long|large)/i.test(said(cause)))
    return new MessageTooLargeError(
      `the message with its attributes is larger than ${what} takes: publish a reference to it`,
      { cause },
    );
  if (KEY.test(name))
    return new PublishRejectedError(
      `AWS cannot use the key that encrypts ${what}: ${name}; enable the key, and grant kms:GenerateDataKey and kms:Decrypt`,
      { cause },
    );
  if (isDenied(cause))
    return new PublishRejectedError(`the credentials do not allow publishing to ${what}: grant it`, {
      cause,
    });
  return new PublishRejectedError(`AWS refused the message for ${what}: ${said(cause)}`, { cause });
}

export const isMissing = (error: unknown): boolean =>
  /^(NonExistentQueue|QueueDoesNotExist|NotFound(Exception)?|ResourceNotFound(Exception)?)$/.test(
    nameOf(error),
  );
