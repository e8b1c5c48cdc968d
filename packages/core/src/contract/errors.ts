interface Details {
  readonly cause?: unknown;
  /** The same call may succeed later. */
  readonly retryable?: boolean;
}

/** Base of every error the module throws. `code` is stable; messages may change. */
export class MessagingError extends Error {
  readonly code: string;
  /** The same call may succeed later, unchanged. */
  readonly retryable: boolean;

  constructor(code: string, message: string, details: Details = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined);
    this.name = new.target.name;
    this.code = code;
    this.retryable = details.retryable ?? false;
  }
}

/** An option is unknown or its value unusable. Names the path, what was found and what is valid. */
export class ConfigurationError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('CONFIGURATION', message, details);
  }
}

/** A handler cannot be registered: it competes with another, or its class or options do not allow it. */
export class RegistrationError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('REGISTRATION', message, details);
  }
}

/** The broker cannot do what a handler or a publish needs. */
export class UnsupportedError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('UNSUPPORTED', message, details);
  }
}

/** A resource on the broker is missing, incompatible or forbidden. */
export class TopologyError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('TOPOLOGY', message, details);
  }
}

/** The broker cannot be reached or refuses the connection. */
export class ConnectionError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('CONNECTION', message, { retryable: true, ...details });
  }
}

/** A topic, queue, header or option of a publish is unusable. Nothing was sent. */
export class InvalidMessageError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('INVALID_MESSAGE', message, details);
  }
}

/** A payload does not fit its contract's schema. */
export class InvalidPayloadError extends MessagingError {
  /**
   * What the validator found. Its texts may quote the payload, so that whoever prints the error, with all that is
   * hidden in it, prints none of them. Its paths have '…' for each key that is no plain field name: keys of records are
   * the payload's.
   */
  get issues(): readonly { readonly message: string; readonly path: string }[] {
    return this.#issues;
  }
  readonly #issues: InvalidPayloadError['issues'];

  constructor(message: string, issues: InvalidPayloadError['issues'], details?: Details) {
    super('INVALID_PAYLOAD', message, details);
    this.#issues = issues;
  }
}

/** A body cannot be turned into a payload. */
export class UndecodableError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('UNDECODABLE', message, details);
  }
}

/** A body or header is larger than the module's or the broker's limit. Nothing was sent. */
export class MessageTooLargeError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('MESSAGE_TOO_LARGE', message, details);
  }
}

/** The broker did not confirm in time. The outcome is unknown: publish again with the same `messageId`. */
export class PublishTimeoutError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('PUBLISH_TIMEOUT', message, { retryable: true, ...details });
  }
}

/** The broker refused the message, or no queue was there to take it. */
export class PublishRejectedError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('PUBLISH_REJECTED', message, details);
  }
}

/** Too much is waiting to be published. Nothing was sent. */
export class OverloadError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('OVERLOAD', message, { retryable: true, ...details });
  }
}

/** The application is shutting down or has not started. Nothing was sent. */
export class ClosedError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('CLOSED', message, details);
  }
}

/** A handler ran longer than its `timeout`. Counts as a failure. */
export class HandlerTimeoutError extends MessagingError {
  constructor(message: string, details?: Details) {
    super('HANDLER_TIMEOUT', message, details);
  }
}
