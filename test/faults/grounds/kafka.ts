import { startKafka } from '../../../scripts/brokers/kafka.mjs';
import { freePorts } from '../../../scripts/brokers/ports.mjs';
import { kafkaDrivers } from '../../support/kafka.js';
import type { BrokerConfig } from '../application.js';
import type { Ground } from '../ground.js';
import { startNetwork } from '../network.js';

export const kafkaGround = (driver: 'kafkajs' | 'platformatic'): Ground => {
  const options = {
    driver,
    // As many as show what several partitions do.
    partitions: 3,
    // The broker knows of a killed process by its silence alone.
    sessionTimeout: '6s',
  };
  const config = (address: string): BrokerConfig => ({
    name: 'kafka',
    options: { brokers: [address], ...options },
  });
  return {
    id: `kafka-${driver}`,
    name: `Kafka (${driver})`,
    missing: kafkaDrivers.find(({ name }) => name === driver)?.missing,
    lacks: { counts: 'Kafka counts no deliveries' },
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
        broker: config(way.address),
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
        async remove() {
          await network.stop();
          await broker.remove();
        },
      };
    },
  };
};
