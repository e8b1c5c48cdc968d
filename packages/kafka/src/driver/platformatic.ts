import { ConfigurationError } from '@nest-messaging/core/contract';
import type { ConnectionOptions, SASLOptions } from '@platformatic/kafka';
import type { Sasl } from '../options.js';
import type { OpenDriver } from './driver.js';
import { DriverError } from './driver-error.js';
import { createClient } from './platformatic/client.js';
import { createCluster } from './platformatic/cluster.js';

/**
 * On `@platformatic/kafka`, of which it uses the connections and single requests alone. They are in the versions of
 * Kafka 2.4, the oldest broker that works; Kafka 4 has dropped none that is younger than 2.1.
 */
export const open: OpenDriver = async (options) => {
  checkNode(process.versions.node);
  const library = await import('@platformatic/kafka');
  const { clientId, bootstrapBrokers, requestTimeout, ...connection } = {
    clientId: options.clientId,
    bootstrapBrokers: options.brokers,
    connectTimeout: options.connectTimeout,
    requestTimeout: options.requestTimeout,
    ...(options.tls && { tls: options.tls }),
    ...(options.sasl && { sasl: saslOf(options.sasl) }),
    ...(options.vendor as ConnectionOptions & { clientId?: string; bootstrapBrokers?: string[] }),
  };
  return {
    client: () =>
      createClient(
        createCluster({
          library,
          clientId,
          brokers: bootstrapBrokers.map((broker) => library.parseBroker(broker)),
          options: connection,
          requestTimeout,
          onDisconnect: options.onDisconnect,
        }),
      ),
  };
};

/** On an older Node it loads, and fails later on what is missing. */
function checkNode(version: string): void {
  const [major = 0, minor = 0] = version.split('.').map(Number);
  if (major > 24 || major === 23 || (major === 24 && minor >= 6) || (major === 22 && minor >= 22)) return;
  throw new ConfigurationError(
    `@platformatic/kafka needs Node.js ≥ 22.22 or ≥ 24.6, and this is ${version}: take another Node.js, or kafkajs`,
  );
}

function saslOf(sasl: Sasl): SASLOptions {
  if (sasl.mechanism !== 'oauthbearer') {
    const { username, password } = sasl;
    const mechanism = (
      { plain: 'PLAIN', 'scram-sha-256': 'SCRAM-SHA-256', 'scram-sha-512': 'SCRAM-SHA-512' } as const
    )[sasl.mechanism];
    return { mechanism, username, password };
  }
  return {
    mechanism: 'OAUTHBEARER',
    token: sasl.token,
    // The broker tells of a refused token in what looks like a success, and the library leaves it at that.
    authBytesValidator: (bytes, callback) => callback(bytes.length > 0 ? refusal(bytes) : null, bytes),
  };
}

const refusal = (bytes: Buffer): DriverError =>
  new DriverError('AUTHENTICATION', `the broker refused the token: ${bytes.toString()}`, {
    retryable: false,
  });
