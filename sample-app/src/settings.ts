import { memory, type Broker } from '@nest-messaging/core';
import { parseArgs } from 'node:util';
import { SERVICES, type Service } from './services.js';

export interface Settings {
  /** Those of this process, where the shop is split into several. */
  readonly services?: readonly Service[];
  readonly broker: Broker | string;
  /** Prefix of all names on the broker. */
  readonly namespace: string;
  readonly port: number;
  /** Where Prometheus can ask for metrics; without it nothing is measured. */
  readonly metricsPort?: number;
}

/** From the command line and the environment. Throws errors that say what to do. */
export function readSettings(args: string[] = process.argv.slice(2)): Settings {
  const { values } = parseArgs({ args, options: { service: { type: 'string', multiple: true } } });
  const { BROKER_URL = 'memory:', NAMESPACE = 'shop', PORT = '3000', METRICS_PORT } = process.env;
  const onMemory = BROKER_URL === 'memory:';

  for (const name of values.service ?? [])
    if (!Object.hasOwn(SERVICES, name))
      throw new Error(`--service ${name}: the shop has ${Object.keys(SERVICES).join(', ')}`);
  if (values.service && onMemory)
    throw new Error(
      '--service needs a broker that all processes share, and memory belongs to one process alone: ' +
        'set BROKER_URL to amqp://…, kafka://… or aws://…, or leave --service out to run the whole shop in this process',
    );
  return {
    services: values.service as Service[] | undefined,
    // One value: applications that are given it share it. The URL 'memory:' would make a broker for each of them.
    broker: onMemory ? memory() : BROKER_URL,
    namespace: NAMESPACE,
    port: Number(PORT),
    metricsPort: METRICS_PORT === undefined ? undefined : Number(METRICS_PORT),
  };
}
