import type { Broker } from '@nest-messaging/core/contract';
import { resolveOptions, type RabbitMqOptions } from './options.js';
import { openRabbitMq } from './rabbitmq-transport.js';

/**
 * RabbitMQ, 3.10 to 4.x, over AMQP 0-9-1.
 *
 * @example MessagingModule.forRoot({ service: 'billing', broker: rabbitmq({ url: 'amqp://localhost' }) })
 * @throws {ConfigurationError} for an unknown option or an unusable value
 */
function makeRabbitMq(options: RabbitMqOptions): Broker {
  const resolved = resolveOptions(options);
  return { name: 'rabbitmq', open: (environment) => openRabbitMq(resolved, environment) };
}

export const rabbitmq = Object.assign(makeRabbitMq, {
  schemes: ['amqp', 'amqps'] as const,
  fromUrl: (url: string): Broker => makeRabbitMq({ url }),
});
