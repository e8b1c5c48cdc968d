import { connect } from 'node:net';
import { createServer } from 'node:tls';
import { describe, expect, it } from '@jest/globals';
import { expired, valid } from '../certificates.js';
import { rabbitmqUrl } from '../../../../test/support/rabbitmq.js';
import { until, useStage } from '../stage.js';

const stage = useStage();

/** The broker behind TLS. */
async function secured(certificate: { key: string; cert: string }): Promise<string> {
  const { hostname, port } = new URL(rabbitmqUrl());
  const server = createServer(certificate, (client) => {
    const broker = connect(Number(port || 5672), hostname);
    client.pipe(broker).pipe(client);
    for (const [one, other] of [
      [client, broker],
      [broker, client],
    ] as const)
      one.on('error', () => {}).on('close', () => other.destroy());
  });
  server.on('tlsClientError', () => {});
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stage().after(() => new Promise((resolve) => server.close(resolve)));
  const url = new URL(rabbitmqUrl());
  return `amqps://${url.username || 'guest'}:${url.password || 'guest'}@localhost:${(server.address() as { port: number }).port}`;
}

describe('TLS', () => {
  it('carries all that plain text does, with a certificate that is trusted', async () => {
    const { open } = stage();
    const application = await open({ url: await secured(valid), client: { ca: valid.cert } });
    const probe = await application.subscribe('a');
    await application.publish('a', '', { delay: 100 });
    await until(() => probe.seen.length === 1, 'the message');
  });

  it.each([
    ['that nobody signed', valid, {}, /certificate/],
    ['that has expired', expired, { ca: expired.cert }, /expired/],
    ['of another host', valid, { ca: valid.cert, servername: 'other.example' }, /altnames/],
  ])(
    'is refused with a certificate %s, at once and without falling back',
    async (_, certificate, client, text) => {
      const { prepare } = stage();
      const url = await secured(certificate);
      const { transport } = prepare({ url, client });
      const start = Date.now();
      const error = await transport.connect().then(
        () => undefined,
        (caught: Error) => caught,
      );
      expect(error).toMatchObject({
        code: 'CONNECTION',
        retryable: false,
        message: expect.stringMatching(text),
      });
      expect(error!.message).toContain(`RabbitMQ at localhost:${new URL(url).port} cannot be trusted`);
      expect(Date.now() - start).toBeLessThan(5_000);
    },
  );

  it('is not spoken by a plain port, which is told', async () => {
    const { prepare } = stage();
    const { transport } = prepare(
      { url: rabbitmqUrl().replace('amqp:', 'amqps:') },
      { connectTimeout: 2_000 },
    );
    await expect(transport.connect()).rejects.toMatchObject({ code: 'CONNECTION' });
  });
});
