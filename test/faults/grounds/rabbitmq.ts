import { quorumQueuesWritten, startRabbitmq } from '../../../scripts/brokers/rabbitmq.mjs';
import { deadQueue } from '../../../packages/rabbitmq/src/topology.js';
import { rabbitmqUnderTest } from '../../conformance/rabbitmq-under-test.js';
import type { BrokerConfig } from '../application.js';
import type { Ground } from '../ground.js';
import { startNetwork } from '../network.js';
import { rabbitmqConflicts, rabbitmqRights } from './rabbitmq-refusals.js';

const config = (url: string, ca?: string): BrokerConfig => ({
  name: 'rabbitmq',
  // As short as lets a broken connection be noticed within a row.
  options: { url, client: { heartbeat: 2, ...(ca !== undefined && { ca }) } },
});

/** @param release as Debian has it */
export const rabbitmqGround = (release: '3.10' | '4.0'): Ground => ({
  id: `rabbitmq-${release}`,
  name: 'RabbitMQ',
  lacks: {
    log: 'RabbitMQ keeps nothing of what was handled',
    expiry:
      'RabbitMQ leaves a delivery with a process for 30 minutes, and the module refuses time-outs that come near',
  },
  async start() {
    const broker = await startRabbitmq({ release });
    // Where the conformance suite looks for it.
    process.env['RABBITMQ_URL'] = broker.url;
    const network = await startNetwork(broker.directory);
    const { host, username, password } = new URL(broker.url);
    const way = await network.way(host);
    // Another default in each release.
    const watermark = (
      await broker.control('eval', 'vm_memory_monitor:get_vm_memory_high_watermark().')
    ).trim();
    return {
      version: (await broker.control('version')).trim(),
      durable: true,
      ordered: true,
      broker: config(`amqp://${username}:${password}@${way.address}`),
      direct: config(broker.url),
      nowhere: (at) => ({ broker: config(`amqp://someone:s3cret@${at}`), secret: 's3cret' }),
      network: way,
      async clients() {
        const count = async (kind: 'connections' | 'channels'): Promise<number> => {
          const rows = await broker.control(`list_${kind}`, '--silent', '--no-table-headers', 'pid');
          return rows.split('\n').filter((row) => row.trim() !== '').length;
        };
        return { connections: await count('connections'), channels: await count('channels') };
      },
      underTest: rabbitmqUnderTest,
      kill: broker.kill,
      stop: broker.stop,
      restart: broker.start,
      async settled(namespace) {
        const rows = (
          await broker.control('list_queues', '--silent', '--no-table-headers', 'name', 'type')
        ).split('\n');
        const mine = rows
          .map((row) => row.split('\t'))
          .filter(([name, type]) => name?.startsWith(`${namespace}.`) && type?.trim().includes('quorum'));
        await quorumQueuesWritten(
          broker,
          mine.map(([name]) => name!),
        );
      },
      refusals: {
        // Whoever may create makes it anew.
        async missing(namespace, subscription) {
          await broker.control('delete_queue', deadQueue({ namespace }, subscription));
          return async () => {};
        },
        // Dead letters are what goes through the default exchange; delayed retries do not.
        async forbidden() {
          const allow = (write: string): Promise<string> =>
            broker.control('set_permissions', username, '.*', write, '.*');
          await allow('^(?!amq\\.default$)');
          return async () => void (await allow('.*'));
        },
        async full(namespace, subscription) {
          const queue = deadQueue({ namespace }, subscription).replaceAll('.', '\\.');
          const limit = JSON.stringify({ 'max-length': 1, overflow: 'reject-publish' });
          await broker.control('set_policy', '--apply-to', 'queues', 'full', `^${queue}$`, limit);
          return async () => void (await broker.control('clear_policy', 'full'));
        },
      },
      rights: (namespace) => rabbitmqRights(broker, config, namespace),
      tls: async (port) => ({
        plain: host,
        broker: (to, ca) => config(`amqps://${username}:${password}@${to}:${port}`, ca),
        end: async () => {},
      }),
      alarm: {
        // A share of the machine's memory that every node has long used.
        raise: () => broker.control('set_vm_memory_high_watermark', '0.00001'),
        clear: () => broker.control('set_vm_memory_high_watermark', watermark),
      },
      conflicts: (namespace) => rabbitmqConflicts(broker, namespace),
      async remove() {
        await network.stop();
        await broker.remove();
      },
    };
  },
});
