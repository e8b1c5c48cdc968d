import type { Broker } from '@nest-messaging/core/contract';
import { openKafka } from './kafka-transport.js';
import { optionsOfUrl, resolveOptions, type KafkaOptions } from './options.js';

/**
 * Apache Kafka, through `kafkajs` or `@platformatic/kafka`.
 *
 * @example MessagingModule.forRoot({ service: 'billing', broker: kafka({ brokers: ['localhost:9092'] }) })
 * @throws {ConfigurationError} for an unknown option or an unusable value
 */
function makeKafka(options: KafkaOptions): Broker {
  const resolved = resolveOptions(options);
  return { name: 'kafka', open: (environment) => openKafka(resolved, environment) };
}

export const kafka = Object.assign(makeKafka, {
  schemes: ['kafka', 'kafkas'] as const,
  fromUrl: (url: string): Broker => makeKafka(optionsOfUrl(url)),
});
