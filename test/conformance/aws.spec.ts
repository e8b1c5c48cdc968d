import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { awsEndpoint } from '../support/aws.js';
import { awsUnderTest } from './aws-under-test.js';
import { keepResults } from './keep-results.js';

const { create, removeRest } = awsUnderTest(awsEndpoint);

describeTransport({ name: 'aws', create, report: keepResults('aws') }, { afterAll, describe, it });

afterAll(removeRest);
