import { ConfigurationError } from '@nest-messaging/core/contract';
import type { DriverName } from '../options.js';
import type { Driver, DriverOptions, OpenDriver } from './driver.js';

/** Each driver, and the package it is built on: loaded when it is chosen, so that the other need not be installed. */
const DRIVERS: Readonly<
  Record<DriverName, { readonly peer: string; readonly load: () => Promise<{ readonly open: OpenDriver }> }>
> = {
  kafkajs: { peer: 'kafkajs', load: () => import('./kafkajs.js') },
  platformatic: { peer: '@platformatic/kafka', load: () => import('./platformatic.js') },
};

/** @throws {ConfigurationError} if the client library is not installed, or does not run on this Node */
export async function openDriver(name: DriverName, options: DriverOptions): Promise<Driver> {
  const { peer, load } = DRIVERS[name];
  try {
    const { open } = await load();
    return await open(options);
  } catch (cause) {
    if (cause instanceof ConfigurationError) throw cause;
    throw new ConfigurationError(
      `kafka.driver is '${name}', and ${peer} cannot be loaded on Node ${process.versions.node}: npm install ${peer}${
        name === 'platformatic' ? ', and run Node ≥ 22.22 or ≥ 24.6' : ''
      }`,
      { cause },
    );
  }
}
