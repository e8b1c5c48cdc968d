import { readFileSync } from 'node:fs';
import { memoryUnderTest } from '../../conformance/memory-under-test.js';
import type { Ground } from '../ground.js';

const none = (): never => {
  throw new Error('memory has no broker outside of the application');
};
const nothing = async (): Promise<void> => {};

export const memoryGround: Ground = {
  id: 'memory',
  name: 'memory',
  lacks: {
    network: 'nothing is between the application and its messages, and they end with it',
    restart: 'it is never away',
    expiry: 'nothing takes a message back from a handler',
    counts: 'what kills the process ends its messages, too',
    rights: 'there is nobody to ask for a password',
    tls: 'nothing leaves the process',
    alarm: 'what waits is bounded by the options of the module alone',
    conflict: 'nothing is there before the application',
    foreign: 'nothing outside the process can reach it',
    refusals: 'dead letters have no place of their own that could be missing',
    log: 'it keeps nothing of what was handled',
  },
  start: async () => ({
    version: versionOf('../../../packages/core/package.json'),
    durable: false,
    ordered: true,
    broker: { name: 'memory', options: {} },
    direct: { name: 'memory', options: {} },
    nowhere: none,
    network: {
      address: '',
      cut: none,
      close: none,
      swallow: none,
      deafen: none,
      slow: none,
      throttle: none,
      mend: nothing,
    },
    kill: none,
    stop: none,
    restart: none,
    settled: nothing,
    refusals: {},
    underTest: memoryUnderTest,
    remove: nothing,
  }),
};

function versionOf(path: string): string {
  const text = readFileSync(new URL(path, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
