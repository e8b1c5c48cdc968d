import { afterAll, describe, expect, it } from '@jest/globals';
import { randomBytes } from 'node:crypto';
import { connect } from 'amqplib';
import { rabbitmqUrl, removeNamespace } from '../../../../test/support/rabbitmq.js';
import { command } from '../command.js';

const namespace = `cli${randomBytes(4).toString('hex')}`;

afterAll(() =>
  removeNamespace(namespace, { services: ['billing'], subscriptions: ['billing.order.placed', 'invoices'] }),
);

describe('nest-messaging topology --apply', () => {
  it('makes what it lists, so that what is published waits', async () => {
    const doing = `--service billing --namespace ${namespace} --handle order.placed --work invoices`;
    const { code, error } = await command('topology', '--url', rabbitmqUrl(), ...doing.split(' '), '--apply');
    expect({ code, error }).toEqual({ code: 0, error: 'made on the broker, where it was missing\n' });
    const connection = await connect(rabbitmqUrl());
    const channel = await connection.createConfirmChannel();
    channel.publish(namespace, 'order.placed', Buffer.from('{}'));
    await channel.waitForConfirms();
    const waiting = await channel.checkQueue(`${namespace}.billing.order.placed`);
    expect(waiting).toMatchObject({ messageCount: 1, consumerCount: 0 });
    expect(await channel.checkQueue(`${namespace}.invoices--dead`)).toMatchObject({ messageCount: 0 });
    await connection.close();
  });

  it('makes nothing where something is refused, and ends with 1', async () => {
    const doing = `--service billing --namespace ${namespace} --handle twice --handle twice --apply`;
    const { code, error } = await command('topology', '--url', rabbitmqUrl(), ...doing.split(' '));
    expect(code).toBe(1);
    expect(error).toMatch(/^REGISTRATION: /);
    expect(error).not.toContain('made on the broker');
  });

  it('ends with 1 where the broker cannot be reached, and says why', async () => {
    const doing = '--url amqp://someone:s3cret@127.0.0.1:1 --service billing --work invoices --apply';
    const { code, error } = await command('topology', ...doing.split(' '));
    expect(code).toBe(1);
    expect(error).toMatch(/^CONNECTION: RabbitMQ at 127\.0\.0\.1:1 cannot be reached/);
    expect(error).not.toContain('s3cret');
  });
});
