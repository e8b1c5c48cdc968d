/**
 * Kafka's own names for what the broker answered, such as `REBALANCE_IN_PROGRESS`, and a few for what never reached it.
 * @see https://kafka.apache.org/43/design/protocol/#error-codes
 */
export type DriverErrorCode =
  /** Not reached, or lost on the way: what became of the request is unknown. */
  | 'CONNECTION'
  /** No answer in time: what became of the request is unknown. */
  | 'TIMEOUT'
  /** The broker's certificate is not trusted, or one of the two speaks no TLS. */
  | 'TLS'
  /** The login was refused. */
  | 'AUTHENTICATION'
  /** The client was closed. */
  | 'CLOSED'
  /** A batch becomes so much when it is decompressed that memory is in danger. */
  | 'BATCH_TOO_LARGE'
  /** What the client library said, and nobody expected. */
  | 'UNEXPECTED'
  | (string & {});

/** Why a request failed. */
export class DriverError extends Error {
  override readonly name = 'DriverError';
  readonly code: DriverErrorCode;
  /** The same request may succeed later. */
  readonly retryable: boolean;

  constructor(
    code: DriverErrorCode,
    message: string,
    details: { readonly retryable: boolean; readonly cause?: unknown },
  ) {
    super(message, { cause: details.cause });
    this.code = code;
    this.retryable = details.retryable;
  }
}

interface Known {
  readonly name: string;
  readonly retryable?: true;
}

/** The broker's error codes that the transport tells apart. */
const KNOWN: Readonly<Record<number, Known>> = {
  1: { name: 'OFFSET_OUT_OF_RANGE' },
  2: { name: 'CORRUPT_MESSAGE', retryable: true },
  3: { name: 'UNKNOWN_TOPIC_OR_PARTITION', retryable: true },
  5: { name: 'LEADER_NOT_AVAILABLE', retryable: true },
  6: { name: 'NOT_LEADER_OR_FOLLOWER', retryable: true },
  7: { name: 'REQUEST_TIMED_OUT', retryable: true },
  8: { name: 'BROKER_NOT_AVAILABLE', retryable: true },
  9: { name: 'REPLICA_NOT_AVAILABLE', retryable: true },
  10: { name: 'MESSAGE_TOO_LARGE' },
  12: { name: 'OFFSET_METADATA_TOO_LARGE' },
  13: { name: 'NETWORK_EXCEPTION', retryable: true },
  14: { name: 'COORDINATOR_LOAD_IN_PROGRESS', retryable: true },
  15: { name: 'COORDINATOR_NOT_AVAILABLE', retryable: true },
  16: { name: 'NOT_COORDINATOR', retryable: true },
  17: { name: 'INVALID_TOPIC_EXCEPTION' },
  18: { name: 'RECORD_LIST_TOO_LARGE' },
  19: { name: 'NOT_ENOUGH_REPLICAS', retryable: true },
  20: { name: 'NOT_ENOUGH_REPLICAS_AFTER_APPEND', retryable: true },
  22: { name: 'ILLEGAL_GENERATION' },
  23: { name: 'INCONSISTENT_GROUP_PROTOCOL' },
  24: { name: 'INVALID_GROUP_ID' },
  25: { name: 'UNKNOWN_MEMBER_ID' },
  26: { name: 'INVALID_SESSION_TIMEOUT' },
  27: { name: 'REBALANCE_IN_PROGRESS', retryable: true },
  29: { name: 'TOPIC_AUTHORIZATION_FAILED' },
  30: { name: 'GROUP_AUTHORIZATION_FAILED' },
  31: { name: 'CLUSTER_AUTHORIZATION_FAILED' },
  33: { name: 'UNSUPPORTED_SASL_MECHANISM' },
  35: { name: 'UNSUPPORTED_VERSION' },
  36: { name: 'TOPIC_ALREADY_EXISTS' },
  37: { name: 'INVALID_PARTITIONS' },
  38: { name: 'INVALID_REPLICATION_FACTOR' },
  40: { name: 'INVALID_CONFIG' },
  41: { name: 'NOT_CONTROLLER', retryable: true },
  44: { name: 'POLICY_VIOLATION' },
  45: { name: 'OUT_OF_ORDER_SEQUENCE_NUMBER', retryable: true },
  46: { name: 'DUPLICATE_SEQUENCE_NUMBER' },
  47: { name: 'INVALID_PRODUCER_EPOCH', retryable: true },
  56: { name: 'KAFKA_STORAGE_ERROR', retryable: true },
  58: { name: 'SASL_AUTHENTICATION_FAILED' },
  59: { name: 'UNKNOWN_PRODUCER_ID', retryable: true },
  68: { name: 'NON_EMPTY_GROUP' },
  69: { name: 'GROUP_ID_NOT_FOUND' },
  72: { name: 'LISTENER_NOT_FOUND', retryable: true },
  74: { name: 'FENCED_LEADER_EPOCH', retryable: true },
  75: { name: 'UNKNOWN_LEADER_EPOCH', retryable: true },
  78: { name: 'OFFSET_NOT_AVAILABLE', retryable: true },
  79: { name: 'MEMBER_ID_REQUIRED', retryable: true },
  81: { name: 'GROUP_MAX_SIZE_REACHED', retryable: true },
  82: { name: 'FENCED_INSTANCE_ID' },
  87: { name: 'INVALID_RECORD' },
  100: { name: 'UNKNOWN_TOPIC_ID', retryable: true },
};

/** What the broker answered, by its number. */
export function brokerError(code: number, message: string, cause?: unknown): DriverError {
  const known = KNOWN[code];
  return new DriverError(known?.name ?? `KAFKA_${code}`, message, {
    retryable: known?.retryable ?? false,
    cause,
  });
}

/** Whatever was thrown. */
export function asDriverError(thrown: unknown): DriverError {
  if (thrown instanceof DriverError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new DriverError('UNEXPECTED', message, { retryable: false, cause: thrown });
}
