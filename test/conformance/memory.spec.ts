import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { keepResults } from './keep-results.js';
import { memoryLacks, memoryUnderTest } from './memory-under-test.js';

describeTransport(
  { name: 'memory', create: memoryUnderTest, lacks: memoryLacks, report: keepResults('memory') },
  { afterAll, describe, it },
);
