import type { OpenDriver } from './driver.js';
import { makeClient } from './kafkajs/client.js';
import { openCluster } from './kafkajs/cluster.js';
import { loadKafkajs } from './kafkajs/library.js';

/** The driver on kafkajs, from Node 20.19 on. */
export const open: OpenDriver = async (given) => {
  const Kafka = await loadKafkajs();
  const { vendor } = given;
  const options = {
    ...given,
    connectTimeout: milliseconds(vendor['connectionTimeout']) ?? given.connectTimeout,
    requestTimeout: milliseconds(vendor['requestTimeout']) ?? given.requestTimeout,
  };
  return { client: () => makeClient(openCluster(Kafka, options), options) };
};

function milliseconds(value: unknown): number | undefined {
  return typeof value === 'number' ? value : undefined;
}
