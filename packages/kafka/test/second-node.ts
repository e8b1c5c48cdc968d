import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { startKafka } from '../../../scripts/brokers/kafka.mjs';

export type Broker = Awaited<ReturnType<typeof startKafka>>;

const settingsOf = ({ directory }: Broker): string => path.join(directory, 'server.properties');

/** Nodes that run in containers cannot: none reaches the other's controller. */
export const canJoin = (first: Broker): boolean => existsSync(settingsOf(first));

/**
 * Makes a node the second one of another's cluster. One alone has enough replicas whatever `min.insync.replicas` says:
 * Kafka asks for no more than the topic has.
 */
export async function join(second: Broker, first: Broker): Promise<void> {
  await second.kill();
  const line = (text: string, name: string): string => new RegExp(`^${name}=.*$`, 'm').exec(text)![0];
  const data = (broker: Broker): string => path.join(broker.directory, 'data');
  const identity = (broker: Broker): string =>
    readFileSync(path.join(data(broker), 'meta.properties'), 'utf8').replace('node.id=1', 'node.id=2');
  const settings = readFileSync(settingsOf(second), 'utf8');
  const changed = [
    'process.roles=broker',
    'node.id=2',
    line(settings, 'listeners').split(',')[0],
    line(readFileSync(settingsOf(first), 'utf8'), 'controller.quorum.voters'),
  ];
  writeFileSync(settingsOf(second), [settings, ...changed, ''].join('\n'));
  const own = identity(second).replace(/^cluster\.id=.*$/m, line(identity(first), 'cluster.id'));
  rmSync(data(second), { recursive: true });
  mkdirSync(data(second));
  writeFileSync(path.join(data(second), 'meta.properties'), own);
  await second.start();
}
