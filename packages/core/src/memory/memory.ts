import type { Broker } from '../contract/index.js';
import { createHub } from './hub.js';
import { openMemory } from './memory-transport.js';
import { checkUrl, resolveOptions, type MemoryOptions } from './options.js';

/**
 * The broker in this process's own memory, for development, tests and modular monoliths. It keeps every guarantee
 * except durability: what is unhandled when the process ends is lost, and it says so at start.
 *
 * Each call makes a broker of its own. Applications given the same value share it, as they would share a RabbitMQ.
 *
 * @throws {ConfigurationError} for an unknown option or an unusable value
 */
function makeMemory(options: MemoryOptions = {}): Broker {
  const hub = createHub(resolveOptions(options).maxMessages);
  return { name: 'memory', open: (environment) => openMemory(hub, environment) };
}

export const memory = Object.assign(makeMemory, {
  schemes: ['memory'] as const,
  fromUrl(url: string): Broker {
    checkUrl(url);
    return makeMemory();
  },
});
