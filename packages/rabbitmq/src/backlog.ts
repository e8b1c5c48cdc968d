import type { TransportEvent } from '@nest-messaging/core/contract';
import { openChannel } from './channel.js';
import type { Connection } from './connection.js';
import { lostConnection, topologyError } from './errors.js';

/**
 * How many messages of a queue no consumer has: what a passive declaration answers. On a channel of its own, which the
 * broker closes where there is no such queue.
 * @throws {TopologyError} if there is none
 * @throws {ConnectionError} if there is no connection
 */
export async function waiting(
  connection: Connection,
  queue: string,
  report: (event: TransportEvent) => void,
): Promise<number> {
  const { model, address } = connection;
  if (!model) throw lostConnection(address);
  try {
    const guarded = await openChannel(model, report);
    try {
      return (await guarded.channel.checkQueue(queue)).messageCount;
    } finally {
      await guarded.close();
    }
  } catch (error) {
    if (connection.model !== model) throw lostConnection(address, error);
    throw topologyError({ kind: 'queue', name: queue }, error);
  }
}
