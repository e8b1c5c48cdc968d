import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { networkedUnderTest } from './memory-under-test.js';

describeTransport({ name: 'sound', create: () => networkedUnderTest() }, { afterAll, describe, it });
