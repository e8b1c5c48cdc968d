import { fileURLToPath } from 'node:url';
import { run } from '@nest-messaging/cli';
import { awsEndpoint, awsRegion } from '../support/aws.js';
import { kafkaBrokers } from '../support/kafka.js';
import { rabbitmqUrl } from '../support/rabbitmq.js';
import { amazon, apacheKafka, rabbitMq, type Tried } from './stage.js';

const urls = new Map<Tried, () => string>([
  [rabbitMq, rabbitmqUrl],
  [apacheKafka, () => `kafka://${kafkaBrokers()}?partitions=2`],
  [amazon, () => `aws://${awsRegion}?endpoint=${encodeURIComponent(awsEndpoint())}`],
]);

/** Options that say of which broker, namespace and service a command is. */
export const ofShop = (broker: Tried, namespace: string): string[] => [
  '--url',
  urls.get(broker)!(),
  '--namespace',
  namespace,
  '--service',
  'shop',
];

/** As somebody would run it, in this process: answers the exit code. */
export const nestMessaging = (...args: string[]): Promise<number> =>
  run(args, {
    out: () => undefined,
    error: () => undefined,
    directory: fileURLToPath(new URL('.', import.meta.url)),
  });
