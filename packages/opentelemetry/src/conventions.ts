import type { Attributes } from '@opentelemetry/api';
import { Discard, type Message, type Settlement } from '@nest-messaging/core/contract';
import { failureOf, type Followed, type Handed } from '@nest-messaging/core/engine';

/**
 * The version of OpenTelemetry's conventions that names and attributes follow. Those for messaging are in development:
 * https://github.com/open-telemetry/semantic-conventions/tree/v1.45.0/docs/messaging
 */
export const SCHEMA_URL = 'https://opentelemetry.io/schemas/1.45.0';

/** Of tracer and meter. */
export const SCOPE = '@nest-messaging/opentelemetry';

/**
 * Written out, as OpenTelemetry asks of libraries: its package has what is not stable yet in a part that may change with
 * any release. Those that begin with `nest_messaging` are the module's own.
 */
export const ATTRIBUTE = {
  system: 'messaging.system',
  operationName: 'messaging.operation.name',
  operationType: 'messaging.operation.type',
  destination: 'messaging.destination.name',
  template: 'messaging.destination.template',
  group: 'messaging.consumer.group.name',
  messageId: 'messaging.message.id',
  conversationId: 'messaging.message.conversation_id',
  bodySize: 'messaging.message.body.size',
  batchSize: 'messaging.batch.message_count',
  errorType: 'error.type',
  connection: 'nest_messaging.connection',
  attempt: 'nest_messaging.attempt',
} as const;

/** What is done with a message: a word of the module's own, and the convention's kind of operation. */
export interface Operation {
  readonly name: 'publish' | 'enqueue' | 'process' | Settlement['type'];
  readonly type: 'send' | 'process' | 'settle';
}

export const sending = ({ destination }: Message): Operation => ({
  name: destination.kind === 'queue' ? 'enqueue' : 'publish',
  type: 'send',
});
export const PROCESSING: Operation = { name: 'process', type: 'process' };
export const settling = ({ type }: Settlement): Operation => ({ name: type, type: 'settle' });

/** The convention has two names for what is one transport here: topics are on SNS, all that is received is on SQS. */
function systemOf(transport: string, { type }: Operation, { destination }: Message): string {
  if (transport !== 'aws') return transport;
  return type === 'send' && destination.kind === 'topic' ? 'aws.sns' : 'aws_sqs';
}

const isPattern = (source: string): boolean => /[*#]/.test(source);

/**
 * What a handler's deliveries have in common: its topic or queue, or the pattern under which topics come that nobody has
 * counted; and its group.
 */
export const handlerAttributes = ({ source, group }: Handed): Attributes => ({
  [isPattern(source) ? ATTRIBUTE.template : ATTRIBUTE.destination]: source,
  [ATTRIBUTE.group]: group,
});

/** What an operation is, as far as there are few of them: fit for metrics. */
export function operationAttributes(
  { connection, transport }: Followed,
  operation: Operation,
  { message, source, group }: { readonly message: Message } & Partial<Handed>,
): Attributes {
  return {
    [ATTRIBUTE.system]: systemOf(transport, operation, message),
    [ATTRIBUTE.operationName]: operation.name,
    [ATTRIBUTE.operationType]: operation.type,
    [ATTRIBUTE.connection]: connection,
    ...(source === undefined || group === undefined
      ? { [ATTRIBUTE.destination]: message.destination.name }
      : handlerAttributes({ message, source, group })),
  };
}

/** What names one message: for spans alone. */
export function messageAttributes({ id, correlationId, body }: Message): Attributes {
  return {
    [ATTRIBUTE.messageId]: id,
    ...(correlationId !== undefined && { [ATTRIBUTE.conversationId]: correlationId }),
    [ATTRIBUTE.bodySize]: body.byteLength,
  };
}

/** Why an operation failed. */
export interface Failing {
  /** The error's class name, of which there are few. */
  readonly type: string;
  readonly message: string;
}

/** Undefined for `Discard`, by which a handler says that all is well. */
export function failingOf(error: unknown): Failing | undefined {
  if (error instanceof Discard) return undefined;
  const { name, message } = failureOf(error, 0);
  return { type: name, message };
}
