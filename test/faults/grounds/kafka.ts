import { startKafka } from '../../../scripts/brokers/kafka.mjs';
import { freePorts } from '../../../scripts/brokers/ports.mjs';
import { subscriptionNames } from '../../../packages/kafka/src/topology.js';
import { administrate, kafkaDrivers } from '../../support/kafka.js';
import type { BrokerConfig } from '../application.js';
import type { Ground } from '../ground.js';
import { startNetwork } from '../network.js';
import { configure, logOf } from './kafka-log.js';
import { kafkaConflicts, kafkaRights, kafkaTls } from './kafka-refusals.js';

export const kafkaGround = (driver: 'kafkajs' | 'platformatic'): Ground => {
  const options = {
    driver,
    // As many as show what several partitions do.
    partitions: 3,
    // The broker knows of a killed process by its silence alone.
    sessionTimeout: '6s',
  };
  const config = (brokers: string | readonly string[], more: object = {}): BrokerConfig => ({
    name: 'kafka',
    options: { brokers: [brokers].flat(), ...options, ...more },
  });
  return {
    id: `kafka-${driver}`,
    name: `Kafka (${driver})`,
    missing: kafkaDrivers.find(({ name }) => name === driver)?.missing,
    lacks: {
      counts: 'Kafka counts no deliveries',
      alarm: 'Kafka has no alarm: it takes messages until its disk is full, and then ends',
    },
    async start() {
      const [port, advertised] = (await freePorts(2)) as [number, number];
      const broker = await startKafka({ detour: { port, advertised } });
      // Where the conformance suite looks for it, once it is loaded.
      process.env['KAFKA_BROKERS'] = broker.url;
      const { kafkaUnderTest } = await import('../../conformance/kafka-under-test.js');
      const network = await startNetwork(broker.directory);
      const way = await network.way(`127.0.0.1:${port}`, advertised);
      return {
        version: await broker.control('kafka-topics', '--version').then((text) => text.split(' ')[0]!.trim()),
        durable: true,
        ordered: true,
        broker: config(way.address),
        direct: config(broker.url),
        nowhere: (at) => ({
          broker: {
            name: 'kafka',
            options: {
              brokers: [at],
              ...options,
              sasl: { mechanism: 'plain', username: 'someone', password: 's3cret' },
            },
          },
          secret: 's3cret',
        }),
        network: way,
        underTest: () => kafkaUnderTest(driver),
        kill: broker.kill,
        stop: broker.stop,
        restart: broker.start,
        settled: async () => {},
        refusals: {
          // Whoever may create makes it anew.
          async missing(namespace, subscription) {
            const { dead } = subscriptionNames({ namespace }, subscription);
            await administrate((admin) => admin.deleteTopics({ topics: [dead] }));
            return async () => {};
          },
          async 'too small'(namespace, subscription) {
            const { dead } = subscriptionNames({ namespace }, subscription);
            await configure(dead, { 'max.message.bytes': '1' });
            return () => configure(dead, { 'max.message.bytes': '2097152' });
          },
        },
        log: logOf(config, broker.url),
        rights: (namespace) => kafkaRights(config, namespace),
        tls: (at) => kafkaTls(config, at),
        conflicts: (namespace) => kafkaConflicts(broker.url, namespace),
        async remove() {
          await network.stop();
          await broker.remove();
        },
      };
    },
  };
};
