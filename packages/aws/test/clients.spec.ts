import { ListTopicsCommand } from '@aws-sdk/client-sns';
import { ListQueuesCommand } from '@aws-sdk/client-sqs';
import { afterEach, beforeEach, describe, it } from '@jest/globals';
import { createServer, type Server } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { createClients } from '../src/clients.js';
import { until } from './support/stage.js';

const sockets = new Set<Socket>();
let server: Server;

beforeEach(async () => {
  server = createServer((_, answer) => answer.end('{}'));
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
  });
  // Longer than the test: a socket that is left open stays so.
  server.keepAliveTimeout = 60_000;
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
});

afterEach(() => {
  server.closeAllConnections();
  server.close();
});

describe('Clients that are destroyed', () => {
  it('leave no socket open, not even of requests that were about to be sent', async () => {
    const { port } = server.address() as AddressInfo;
    const config = {
      region: 'eu-west-1',
      endpoint: `http://127.0.0.1:${port}`,
      credentials: { accessKeyId: 'someone', secretAccessKey: 's3cret' },
    };
    const { sns, sqs, polling, looking, destroy } = createClients({ sns: config, sqs: config });
    const asked = [
      sns.send(new ListTopicsCommand({})),
      ...[sqs, polling, looking].map((client) => client.send(new ListQueuesCommand({}))),
    ];
    destroy();
    await Promise.allSettled(asked);
    await until(() => sockets.size === 0, 'all sockets to be closed');
  });
});
