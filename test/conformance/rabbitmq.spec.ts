import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { keepResults } from './keep-results.js';
import { rabbitmqUnderTest, removeRest } from './rabbitmq-under-test.js';

describeTransport(
  { name: 'rabbitmq', create: rabbitmqUnderTest, report: keepResults('rabbitmq') },
  { afterAll, describe, it },
);

afterAll(removeRest);
