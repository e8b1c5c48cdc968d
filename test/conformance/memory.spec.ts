import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { memoryLacks, memoryUnderTest } from './memory-under-test.js';

describeTransport(
  { name: 'memory', create: () => memoryUnderTest(), lacks: memoryLacks },
  { afterAll, describe, it },
);
