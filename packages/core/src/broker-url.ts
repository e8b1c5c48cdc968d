import { createRequire } from 'node:module';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { ConfigurationError, type Broker, type BrokerFactory } from './contract/index.js';
import { memory } from './memory/index.js';

/** Packages by URL scheme, and the client that each has as its peer. */
const PACKAGES: Readonly<Record<string, readonly string[]>> = {
  amqp: ['@nest-messaging/rabbitmq', 'amqplib'],
  amqps: ['@nest-messaging/rabbitmq', 'amqplib'],
  kafka: ['@nest-messaging/kafka', 'kafkajs'],
  kafkas: ['@nest-messaging/kafka', 'kafkajs'],
  aws: ['@nest-messaging/aws', '@aws-sdk/client-sns', '@aws-sdk/client-sqs'],
};

/**
 * From core first; where core cannot see the application's packages (strict hoisting), from its entry file, or from
 * where a command was given.
 */
async function load(name: string): Promise<Record<string, unknown>> {
  try {
    return (await import(name)) as Record<string, unknown>;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error;
    const here = join(process.cwd(), 'package.json');
    const found = [process.argv[1], here].flatMap((entry) => {
      try {
        return entry === undefined ? [] : [createRequire(entry).resolve(name)];
      } catch {
        return [];
      }
    });
    if (found[0] === undefined) throw error;
    return (await import(pathToFileURL(found[0]).href)) as Record<string, unknown>;
  }
}

function isFactory(value: unknown, scheme: string): value is BrokerFactory<any> {
  return (
    typeof value === 'function' && 'schemes' in value && (value.schemes as readonly string[]).includes(scheme)
  );
}

/**
 * The broker a URL names, its package loaded when needed.
 * @throws {ConfigurationError} naming the package to install, or the schemes there are; never the URL, which may hold a password
 */
export async function brokerFromUrl(
  url: string,
  transports: readonly BrokerFactory<any>[] = [],
): Promise<Broker> {
  const scheme = /^([a-z][a-z0-9+.-]*):/i.exec(url)?.[1]?.toLowerCase();
  const given = [memory as BrokerFactory<any>, ...transports].find(
    (factory) => scheme && isFactory(factory, scheme),
  );
  if (given) return given.fromUrl(url);
  const packages = scheme === undefined ? undefined : PACKAGES[scheme];
  if (!packages)
    throw new ConfigurationError(
      `the broker URL begins with ${scheme ? `'${scheme}:'` : 'no scheme'}: valid are memory:, ${Object.keys(PACKAGES).join(':, ')}: and those of options.transports`,
    );
  let module: Record<string, unknown>;
  try {
    module = await load(packages[0]!);
  } catch (cause) {
    throw new ConfigurationError(
      `the broker URL begins with '${scheme}:', and ${packages[0]} cannot be loaded: npm install ${packages.join(' ')}, or pass its factory in options.transports`,
      { cause },
    );
  }
  const factory = Object.values(module).find((value) => isFactory(value, scheme!)) as
    BrokerFactory<any> | undefined;
  if (!factory)
    throw new ConfigurationError(
      `${packages[0]} knows no '${scheme}:' URLs: update it to the version of @nest-messaging/core`,
    );
  return factory.fromUrl(url);
}
