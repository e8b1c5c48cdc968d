import type { Message as SqsMessage } from '@aws-sdk/client-sqs';
import { ConfigurationError } from '@nest-messaging/core/contract';

/** What Lambda hands over from an SQS event source mapping, as far as it is read. */
export interface SqsEvent {
  readonly Records: readonly SqsRecord[];
}

/** A message as it stands in an event. @see https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html */
export interface SqsRecord {
  readonly messageId: string;
  readonly receiptHandle: string;
  readonly body: string;
  readonly attributes: Readonly<Record<string, string | undefined>>;
  readonly messageAttributes: Readonly<Record<string, SqsRecordAttribute>>;
  readonly eventSource: string;
  /** The queue's. */
  readonly eventSourceARN: string;
}

export interface SqsRecordAttribute {
  readonly dataType: string;
  readonly stringValue?: string;
  /** In base64. */
  readonly binaryValue?: string;
}

/** What Lambda is told: these come again, all others are deleted. */
export interface SqsBatchResponse {
  readonly batchItemFailures: { readonly itemIdentifier: string }[];
}

/** @throws {ConfigurationError} if the event is of another kind */
export function recordsOf(event: SqsEvent): readonly SqsRecord[] {
  const records: unknown = (event as Partial<SqsEvent> | undefined)?.Records;
  if (!Array.isArray(records)) throw strange('no records');
  const other = (records as Partial<SqsRecord>[]).find((record) => record.eventSource !== 'aws:sqs');
  // SNS writes it with a capital letter.
  const { eventSource, EventSource } = (other ?? {}) as { eventSource?: string; EventSource?: string };
  if (other) throw strange(`a record of '${eventSource ?? EventSource ?? 'nobody'}'`);
  return records as SqsRecord[];
}

const strange = (what: string): ConfigurationError =>
  new ConfigurationError(
    `the event has ${what}: expected those of an SQS event source mapping, whose eventSource is 'aws:sqs'`,
  );

/** A record as the SDK has it from the queue itself. */
export function messageOf(record: SqsRecord): SqsMessage {
  const attributes = Object.entries(record.messageAttributes ?? {}).map(
    ([name, { dataType, stringValue, binaryValue }]) => [
      name,
      {
        DataType: dataType,
        ...(typeof stringValue === 'string' ? { StringValue: stringValue } : {}),
        ...(typeof binaryValue === 'string' ? { BinaryValue: Buffer.from(binaryValue, 'base64') } : {}),
      },
    ],
  );
  return {
    MessageId: record.messageId,
    ReceiptHandle: record.receiptHandle,
    Body: record.body,
    Attributes: { ...record.attributes } as SqsMessage['Attributes'],
    MessageAttributes: Object.fromEntries(attributes),
  };
}
