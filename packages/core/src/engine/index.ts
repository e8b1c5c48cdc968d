export type { HandlerDeclaration } from './admission.js';
export type { Backlog } from './backlog.js';
export { BatchContext } from './batch-context.js';
export type { CircuitBreaker } from './circuit.js';
export { jsonCodec, type Codec } from './codec.js';
export { currentMessage } from './current-message.js';
export type { DeadLetterFilter, WhichDeadLetters } from './dead-letter-filter.js';
export { readableBody } from './dead-letter-lines.js';
export {
  createDeadLetterOffice,
  type DeadLetterOffice,
  type DeadLetterPage,
  type DeadLettersImported,
  type DeadLettersTaken,
  type ExportDeadLettersOptions,
  type ListDeadLettersOptions,
  type RedriveOptions,
  type ShowDeadLetterOptions,
  type ShownDeadLetter,
  type TakeDeadLettersOptions,
} from './dead-letter-office.js';
export { createEngine, type Engine, type EngineHealth, type EngineOptions } from './engine.js';
export {
  reportOnlooker,
  toAll,
  type EngineEvent,
  type Handed,
  type Handling,
  type Observer,
} from './events.js';
export type { Followed, Instruments, Run, Telemetry } from './instruments.js';
export { examineConnection } from './examination.js';
export {
  explainConnection,
  refusalOf,
  usageOf,
  type ExplainedConnection,
  type ExplainedHandler,
  type ExplainedNeed,
  type ExplainedPublication,
  type ExplainedRefusal,
  type PublicationDeclaration,
} from './explanation.js';
export type { Invoke } from './dispatcher.js';
export {
  handlerDefaultsSchema,
  type BatchHandlerOptions,
  type BatchOptions,
  type HandlerDefaults,
  type HandlerOptions,
} from './handler-options.js';
export { failureOf, oneLine } from './failure.js';
export { MessageContext } from './message-context.js';
export type { SubscriptionState } from './subscription.js';
export type { HandlerSpec } from './subscriptions.js';
export type { PendingPublishes, PublishOptions } from './publisher.js';
export type { Need } from './requirements.js';
export { layered } from './retry-policy.js';
export type { BackoffOptions, ErrorClass, RetryOptions } from './retry-policy.js';
