import {
  BadRequestException,
  ForbiddenException,
  UnauthorizedException,
  UnprocessableEntityException,
} from '@nestjs/common';
import { brokerFromUrl } from '../broker-url.js';
import { ConfigurationError, milliseconds } from '../contract/index.js';
import {
  createEngine,
  layered,
  toAll,
  type Engine,
  type HandlerDefaults,
  type Observer,
} from '../engine/index.js';
import { memory } from '../memory/index.js';
import type { ConnectionOptions, MessagingModuleOptions } from './module-options.js';
import type { TestSeams } from './tokens.js';

/** Name of the module's own broker among the connections. */
export const DEFAULT_CONNECTION = 'default';

/** Name of an application that needs none, since its broker forgets with it. */
export const DEFAULT_SERVICE = 'application';

/**
 * What guards and validation pipes throw: the message is refused, and would be again. Given as a default of
 * `retry.never`, so that a handler that wants otherwise says so.
 */
const REFUSALS: HandlerDefaults = {
  retry: {
    never: [BadRequestException, UnauthorizedException, ForbiddenException, UnprocessableEntityException],
  },
};

/** Who looks on at a connection. */
type ObserversOf = (connection: string) => readonly [Observer, ...Observer[]];

async function openEngine(
  name: string,
  own: ConnectionOptions,
  module: MessagingModuleOptions,
  observers: ObserversOf,
  seams: TestSeams,
): Promise<Engine> {
  const options = layered<ConnectionOptions>(module, own);
  const given = seams.broker?.(name) ?? own.broker ?? memory();
  const broker = typeof given === 'string' ? await brokerFromUrl(given, module.transports ?? []) : given;
  if (module.service === undefined && broker.name !== 'memory')
    throw new ConfigurationError(
      `MessagingModule options.service is missing: ${broker.name} keeps subscriptions by it; name the application, such as 'billing'`,
    );
  const publish = layered(module.publish, own.publish);
  return createEngine({
    broker,
    connection: name,
    service: module.service ?? DEFAULT_SERVICE,
    namespace: options.namespace,
    topology: options.topology ?? 'create',
    connectTimeout: milliseconds(options.connectTimeout ?? '30s'),
    publish: {
      timeout: milliseconds(publish.timeout ?? '10s'),
      maxPending: publish.maxPending ?? 10_000,
      maxPendingBytes: publish.maxPendingBytes ?? 64 * 1024 * 1024,
    },
    maxBodySize: options.maxBodySize ?? 1024 * 1024,
    defaults: own === module ? [REFUSALS, module.defaults] : [REFUSALS, module.defaults, own.defaults],
    codec: module.codec,
    clock: seams.clock,
    observe: toAll(...observers(name)),
    instruments: module.telemetry?.({ connection: name, transport: broker.name }),
  });
}

/** The engines of an application by the name of their connection. */
export type Engines = ReadonlyMap<string, Engine>;

/** Makes one engine per connection; connects none. */
export async function openEngines(
  options: MessagingModuleOptions,
  names: readonly string[],
  observers: ObserversOf,
  seams: TestSeams = {},
): Promise<Engines> {
  const connections = options.connections ?? {};
  const missing = names.find((name) => !(name in connections));
  const surplus = Object.keys(connections).find((name) => !names.includes(name));
  if (missing !== undefined || surplus !== undefined)
    throw new ConfigurationError(
      `MessagingModule: connection '${missing ?? surplus}' ${missing ? 'is named, but the options hold none of that name' : "is not named beside the factory: forRootAsync({ connections: ['…'], useFactory })"}`,
    );
  const engines = new Map<string, Engine>();
  engines.set(DEFAULT_CONNECTION, await openEngine(DEFAULT_CONNECTION, options, options, observers, seams));
  for (const [name, own] of Object.entries(connections))
    engines.set(name, await openEngine(name, own, options, observers, seams));
  return engines;
}

/** @throws {ConfigurationError} naming the connections there are */
export function engineNamed(engines: Engines, name: string, label: string): Engine {
  const engine = engines.get(name);
  if (!engine)
    throw new ConfigurationError(
      `${label} names the connection '${name}': valid are ${[...engines.keys()].join(', ')}`,
    );
  return engine;
}
