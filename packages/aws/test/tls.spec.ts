import { once } from 'node:events';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, it } from '@jest/globals';
import { systemClock } from '@nest-messaging/core/contract';
import { expired, valid } from '../../rabbitmq/test/certificates.js';
import { awsCredentials, awsRegion } from '../../../test/support/aws.js';
import { aws } from '../src/index.js';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const clean of cleanups.splice(0).reverse()) await clean();
});

/** Somebody who speaks TLS, and of whom nothing else is known; answers the port. */
async function listening(certificate: { key: string; cert: string }): Promise<number> {
  const server = createServer(certificate, (_, response) => response.destroy());
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  return (server.address() as AddressInfo).port;
}

/** What connecting fails with. */
async function failure(endpoint: string, ca?: string): Promise<unknown> {
  const transport = aws({
    region: awsRegion,
    endpoint,
    client: {
      credentials: awsCredentials,
      ...(ca !== undefined && { requestHandler: { httpsAgent: { ca } } }),
    },
  }).open({
    connection: 'default',
    service: 'service',
    namespace: 'namespace',
    topology: 'create',
    connectTimeout: 20_000,
    clock: systemClock,
    report: () => {},
  });
  cleanups.push(() => transport.close());
  return transport.connect().catch((error: unknown) => error);
}

describe('TLS', () => {
  it.each([
    ['that nobody signed', valid, undefined, 'localhost', /self.signed/],
    ['that has expired', expired, expired.cert, 'localhost', /expired/],
    ['of another host', valid, valid.cert, '127.0.0.1', /altnames/],
  ])('is refused at once with a certificate %s', async (_, certificate, ca, host, text) => {
    const began = performance.now();
    const port = await listening(certificate);
    expect(await failure(`https://${host}:${port}`, ca)).toMatchObject({
      code: 'CONNECTION',
      retryable: false,
      message: expect.stringMatching(new RegExp(`${host}:${port} cannot be trusted.*${text.source}`)),
      cause: expect.objectContaining({ message: expect.stringMatching(text) }),
    });
    expect(performance.now() - began).toBeLessThan(5_000);
  });
});
