export { jsonCodec, type Codec } from './codec.js';
export { currentMessage } from './current-message.js';
export { createEngine, type Engine, type EngineOptions, type HandlerSpec } from './engine.js';
export type { EngineEvent, Observer } from './events.js';
export {
  handlerDefaultsSchema,
  type BrokerHandlerOptions,
  type HandlerDefaults,
  type HandlerOptions,
} from './handler-options.js';
export { failureOf } from './failure.js';
export { MessageContext } from './message-context.js';
export type { BrokerPublishOptions, PublishOptions } from './publisher.js';
export { layered } from './retry-policy.js';
export type { BackoffOptions, ErrorClass, RetryOptions } from './retry-policy.js';
