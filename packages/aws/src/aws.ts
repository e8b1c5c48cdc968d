import type { Broker } from '@nest-messaging/core/contract';
import { openAws } from './aws-transport.js';
import { optionsOfUrl, resolveOptions, type AwsOptions } from './options.js';

/**
 * Amazon SNS for topics, SQS for queues.
 *
 * @example MessagingModule.forRoot({ service: 'billing', broker: aws({ region: 'eu-west-1' }) })
 * @throws {ConfigurationError} for an unknown option or an unusable value
 */
function makeAws(options: AwsOptions = {}): Broker {
  const resolved = resolveOptions(options);
  return { name: 'aws', open: (environment) => openAws(resolved, environment) };
}

export const aws = Object.assign(makeAws, {
  schemes: ['aws'] as const,
  fromUrl: (url: string): Broker => makeAws(optionsOfUrl(url)),
});
