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

/** What a person would give for `--url` or `BROKER_URL`. */
export const urlOf = (broker: Tried): string => urls.get(broker)!();

/** Options that say of which broker, namespace and service a command is. */
export const ofShop = (broker: Tried, namespace: string): string[] => [
  '--url',
  urlOf(broker),
  '--namespace',
  namespace,
  '--service',
  'shop',
];

/** As somebody would run it, in this process: answers the exit code. */
export const nestMessaging = async (...args: string[]): Promise<number> => (await told(...args)).code;

/** The same, with what it has told on standard output. */
export async function told(...args: string[]): Promise<{ readonly code: number; readonly out: string }> {
  let out = '';
  const code = await run(args, {
    out: (text) => void (out += text),
    error: () => undefined,
    directory: fileURLToPath(new URL('.', import.meta.url)),
  });
  return { code, out };
}
