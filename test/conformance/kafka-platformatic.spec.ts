import { afterAll, describe, it } from '@jest/globals';
import { describeTransport } from '@nest-messaging/testing/conformance';
import { platformaticLacks } from '../support/platformatic.js';
import { keepResults } from './keep-results.js';
import { kafkaUnderTest } from './kafka-under-test.js';

if (platformaticLacks === undefined) {
  describeTransport(
    {
      name: 'kafka with platformatic',
      create: () => kafkaUnderTest('platformatic'),
      report: keepResults('kafka-platformatic'),
    },
    { afterAll, describe, it },
  );
} else {
  it.skip(`kafka with platformatic: ${platformaticLacks}`, () => {});
}
