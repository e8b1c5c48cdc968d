import type { Finding } from '@nest-messaging/core/contract';
import type { VersionRange } from './driver/driver.js';
import { found } from './finding.js';

const FETCH = 1;
/** Kafka 4.0 has removed those before. Of Produce it has, too, and goes on telling them, for librdkafka (KAFKA-18659). */
const OLDEST_FETCH_OF_KAFKA_4 = 4;

/**
 * Kafka tells no release: what it speaks shows whether it is of 4.0 or later.
 * @see https://cwiki.apache.org/confluence/display/KAFKA/KIP-896%3A+Remove+old+client+protocol+API+versions+in+Kafka+4.0
 */
export function brokerVersion(spoken: ReadonlyMap<number, VersionRange>): Finding {
  const { minVersion = 0 } = spoken.get(FETCH) ?? {};
  return minVersion >= OLDEST_FETCH_OF_KAFKA_4
    ? found('fine', 'broker', 'Kafka 4.0 or later, by the requests that it speaks')
    : found(
        'trouble',
        'broker',
        'speaks requests that Kafka 4.0 has removed, so that it is older, or no Kafka: the module is made for, and tested with, Kafka 4',
      );
}
