import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { keepResults } from './keep-results.js';
import { kafkaUnderTest } from './kafka-under-test.js';

describeTransport(
  {
    name: 'kafka with kafkajs',
    create: () => kafkaUnderTest('kafkajs'),
    report: keepResults('kafka'),
  },
  { afterAll, describe, it },
);
