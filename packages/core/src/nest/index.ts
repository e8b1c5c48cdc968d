export { OnEvent, OnQueue } from './decorators.js';
export { DeadLetters } from './dead-letters.js';
export { EventBus, getEventBusToken, InjectEventBus, PublishAllError } from './event-bus.js';
export { MessagingControlModule, type MessagingControlOptions } from './messaging-control.module.js';
export type {
  AttemptFacts,
  ErrorText,
  FailureFacts,
  MessageFacts,
  MessagingEventMap,
  MessagingEventType,
} from './messaging-event.js';
export { MessagingEvents } from './messaging-events.js';
export {
  MessagingHealth,
  type ConnectionHealth,
  type MessagingHealthReport,
  type SubscriptionBacklog,
} from './messaging-health.js';
export type { Explanation } from './explanation.js';
export { MessagingExplorer, type ExaminedConnection, type ExplainedPayload } from './messaging-explorer.js';
export type { MessagingFeatureOptions } from './messaging-feature.module.js';
export {
  MessagingModule,
  type MessagingModuleAsyncOptions,
  type MessagingOptionsFactory,
} from './messaging.module.js';
export type { ConnectionOptions, MessagingModuleOptions, PublishLimits } from './module-options.js';
export type { Published } from './published.js';
export type { RetiredHandler } from './retired.js';
export type { SubscriptionSource } from './subscription-source.js';
export {
  Subscriptions,
  type CircuitOptions,
  type ReplayOptions,
  type SubscriptionInfo,
} from './subscriptions.js';
export { ENGINES, EXPLORER, TEST_SEAMS, type TestSeams } from './tokens.js';
