export { atATime } from './at-a-time.js';
export { createBackoff, type Backoff } from './backoff.js';
export type { BrokerHandlerOptions, BrokerPublishOptions } from './broker-options.js';
export { systemClock, type Clock } from './clock.js';
export {
  cloudEventReader,
  cloudEventWriter,
  type CloudEventReader,
  type CloudEventWriter,
} from './cloud-events.js';
export {
  noPosition,
  type Browsing,
  type Choice,
  type DeadLetterContent,
  type DeadLetteredMessage,
  type DeadLetterHead,
  type DeadLetterStore,
  type Taking,
} from './dead-letter-store.js';
export { isDuration, milliseconds, type Duration } from './duration.js';
export {
  ClosedError,
  ConfigurationError,
  ConnectionError,
  HandlerTimeoutError,
  InvalidMessageError,
  InvalidPayloadError,
  MessageTooLargeError,
  MessagingError,
  OverloadError,
  PublishRejectedError,
  PublishTimeoutError,
  RegistrationError,
  TopologyError,
  UndecodableError,
  UnsupportedError,
} from './errors.js';
export {
  defineEvent,
  isContract,
  type EventContract,
  type EventOptions,
  type EventOptionsWithSchema,
  type PayloadOf,
} from './event.js';
export type { ExaminationOptions, Finding } from './examination.js';
export { checkHeaders, flawOf, MODULE_PREFIX } from './headers.js';
export type { Destination, Headers, Message, OutgoingMessage } from './message.js';
export {
  checkName,
  checkTopicOrPattern,
  describeSubscription,
  destinationName,
  MARKER,
  subscriptionName,
} from './names.js';
export { checkOptions, countSchema, durationSchema, timeoutSchema } from './options.js';
export { DeadLetter, Discard, RetryLater } from './outcomes.js';
export { isPattern, matches } from './pattern.js';
export { pause } from './pause.js';
export { createTurnoverMap, createTurnoverSet, type TurnoverMap, type TurnoverSet } from './turnover.js';
export type {
  DelayPlan,
  Means,
  Needed,
  PlannedResource,
  Planner,
  Publication,
  Rights,
  SubscriptionPlan,
  Usage,
} from './plan.js';
export type { Failure, Settlement } from './settlement.js';
export { sendTaken, takeOut, type Taken } from './taking.js';
export { createTurnstile, type Turnstile } from './turnstile.js';
export type {
  Broker,
  BrokerFactory,
  Capabilities,
  Consumer,
  Delivery,
  DeliveryHandler,
  Environment,
  Health,
  HealthPart,
  LastError,
  Subscription,
  SubscriptionId,
  Support,
  Topology,
  Transport,
  TransportEvent,
} from './transport.js';
export { whenAborted } from './when-aborted.js';
export { within } from './within.js';
export { withinSignal } from './within-signal.js';
