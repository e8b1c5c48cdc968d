import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { awsUnderTest, removeRest } from './aws-under-test.js';
import { keepResults } from './keep-results.js';

describeTransport(
  { name: 'aws', create: awsUnderTest, report: keepResults('aws') },
  { afterAll, describe, it },
);

afterAll(removeRest);
