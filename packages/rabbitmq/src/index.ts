export type {
  ClientOptions,
  RabbitMqHandlerOptions,
  RabbitMqOptions,
  RabbitMqPublishOptions,
} from './options.js';
export { rabbitmq } from './rabbitmq.js';
