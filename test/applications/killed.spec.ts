import { afterAll, describe, expect, it } from '@jest/globals';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { connect, type ChannelModel } from 'amqplib';
import { rabbitmqUrl, removeNamespace } from '../support/rabbitmq.js';

const consumer = fileURLToPath(new URL('./consumer.mjs', import.meta.url));
const namespace = `killed-${process.pid}-${Date.now().toString(36)}`;
const children: ChildProcess[] = [];
const connections: ChannelModel[] = [];

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  for (const connection of connections) await connection.close();
  await removeNamespace(namespace, { services: ['billing'], subscriptions: ['billing.order.placed'] });
});

function run(env: Record<string, string>): { child: ChildProcess; said(text: string): Promise<void> } {
  const child = spawn(process.execPath, [consumer], {
    env: { ...process.env, NODE_OPTIONS: '', RABBITMQ_URL: rabbitmqUrl(), NAMESPACE: namespace, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  const lines: string[] = [];
  const looking = new Set<() => void>();
  createInterface({ input: child.stdout }).on('line', (line) => {
    lines.push(line);
    looking.forEach((look) => look());
  });
  return {
    child,
    said: (text) =>
      new Promise((resolve) => {
        const look = (): void => {
          if (lines.includes(text)) resolve();
        };
        looking.add(look);
        look();
      }),
  };
}

describe('a process that is killed while it handles a message', () => {
  it('loses nothing: another one gets it, and no attempt is used up', async () => {
    const first = run({ HANG: 'yes' });
    await first.said('ready');
    const connection = await connect(rabbitmqUrl());
    connections.push(connection);
    const channel = await connection.createConfirmChannel();
    channel.publish(namespace, 'order.placed', Buffer.from('{"id":1}'), { messageId: 'm1' });
    await channel.waitForConfirms();
    await first.said('handling m1, attempt 1');
    first.child.kill('SIGKILL');
    expect(await once(first.child, 'exit')).toEqual([null, 'SIGKILL']);
    const second = run({});
    await second.said('handling m1, attempt 1');
    // Only then does the process end in order on SIGTERM.
    await second.said('ready');
    second.child.kill('SIGTERM');
    await once(second.child, 'exit');
    // A quorum queue carries out an acknowledgement a little after it was sent.
    const left = async (): Promise<number> =>
      (await channel.checkQueue(`${namespace}.billing.order.placed`)).messageCount;
    while ((await left()) > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }, 60_000);
});
