import { expect, it } from '@jest/globals';
import { DriverError } from '../../src/driver/driver-error.js';
import { openCluster } from '../../src/driver/kafkajs/cluster.js';
import type { KafkaConstructor } from '../../src/driver/kafkajs/library.js';
import { failure } from './stage.js';

const every = { minVersion: 0, maxVersion: 99 };

/** As much of kafkajs as finds a coordinator among brokers that are the test. */
function fakeKafkajs(brokers: {
  readonly refusals: ReadonlyMap<string, DriverError>;
  readonly coordinator: string;
}): KafkaConstructor {
  const broker = (host: string) => ({
    versions: { 0: every, 1: every },
    connectionPool: { pool: [], send: async () => undefined },
    async connect() {
      const refusal = brokers.refusals.get(host);
      if (refusal) throw refusal;
    },
    findGroupCoordinator: async () => ({ coordinator: { nodeId: 1, host: brokers.coordinator, port: 9092 } }),
    heartbeat: async () => host,
  });
  const cluster = {
    connectionPoolBuilder: {
      build: async ({ host }: { host: string }) => ({ ...broker(host).connectionPool, host }),
    },
    brokerPool: {
      createBroker: ({ connectionPool: { host } }: { connectionPool: { host: string } }) => broker(host),
    },
  };
  return class {
    consumer({
      partitionAssigners: [assigner],
    }: {
      partitionAssigners: ((given: object) => unknown)[];
    }): void {
      assigner!({ cluster });
    }
    logger(): object {
      return {};
    }
  } as unknown as KafkaConstructor;
}

it.each([
  ['a load balancer accepts the connection and ends it before TLS begins', 'TLS', true],
  ['its address has another certificate', 'TLS', false],
  ['its address refuses the login', 'AUTHENTICATION', false],
])('kafkajs looks for the coordinator anew where %s', async (_, code, retryable) => {
  const gone = new DriverError(code, 'as the test wants it', { retryable });
  const brokers = { refusals: new Map([['gone', gone]]), coordinator: 'gone' };
  const cluster = openCluster(fakeKafkajs(brokers), {
    brokers: ['there:9092'],
    clientId: 'test',
    connectTimeout: 1_000,
    requestTimeout: 1_000,
    vendor: {},
    onDisconnect: () => {},
  });
  const ask = (): Promise<unknown> =>
    cluster.coordinated('group', Date.now() + 1_000, 'rest', (link) =>
      link.ask(
        (broker) => broker.heartbeat({ groupId: 'group', groupGenerationId: 1, memberId: 'me' }),
        Date.now() + 1_000,
      ),
    );
  expect(await failure(ask())).toBe(gone);
  brokers.coordinator = 'there';
  expect(await ask()).toBe('there');
  cluster.close();
});
