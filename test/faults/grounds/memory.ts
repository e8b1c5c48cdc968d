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
    foreign: 'nothing outside the process can reach it',
  },
  start: async () => ({
    version: versionOf('../../../packages/core/package.json'),
    durable: false,
    broker: { name: 'memory', options: {} },
    nowhere: none,
    network: {
      address: '',
      cut: none,
      close: none,
      swallow: none,
      slow: none,
      throttle: none,
      mend: nothing,
    },
    kill: none,
    stop: none,
    restart: none,
    settled: nothing,
    underTest: memoryUnderTest,
    remove: nothing,
  }),
};

function versionOf(path: string): string {
  const text = readFileSync(new URL(path, import.meta.url), 'utf8');
  return (JSON.parse(text) as { version: string }).version;
}
