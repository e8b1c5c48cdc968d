import { expect, it } from '@jest/globals';
import { expired, valid } from '../../../rabbitmq/test/certificates.js';
import { failure, fetchOnce, onEachDriver, proxied, record } from './stage.js';

onEachDriver('TLS and login', (stage) => {
  it('TLS with a certificate that is trusted carries producer, fetch and all', async () => {
    const { broker } = await proxied(stage(), { tls: valid });
    const tls = { ca: valid.cert, servername: 'localhost' };
    const topic = await stage().topic();
    const client = await stage().client({ brokers: [broker], tls });
    const producer = await stage().producer({ brokers: [broker], tls });
    expect(await producer.send([record({ topic, value: Buffer.from('x') })], 5_000)).toEqual([undefined]);
    const [fetched] = await fetchOnce(client, [{ topic, partition: 0, offset: 0 }]);
    expect(String(fetched!.records[0]!.value)).toBe('x');
  });

  it('a certificate that is not trusted is told as that, and so is a client without TLS', async () => {
    const { broker } = await proxied(stage(), { tls: valid });
    for (const tls of [{}, { ca: expired.cert }, { ca: valid.cert, servername: 'elsewhere' }]) {
      const client = await stage().client({ brokers: [broker], tls });
      expect(await failure(client.connect())).toMatchObject({ code: 'TLS', retryable: false });
      const producer = await stage().producer({ brokers: [broker], tls });
      expect(await failure(producer.connect())).toMatchObject({ code: 'TLS', retryable: false });
    }
    const plain = await stage().client({ brokers: [broker], connectTimeout: 1_000 });
    const error = await failure(plain.connect());
    expect(['TLS', 'CONNECTION', 'TIMEOUT']).toContain(error.code);
  });

  it('a login with a password is admitted or refused, and the password told to nobody', async () => {
    const { broker } = await proxied(stage(), {
      mechanism: 'PLAIN',
      admits: (login) => login.includes('\0alice\0right-secret'),
    });
    const sasl = { mechanism: 'plain', username: 'alice', password: 'right-secret' } as const;
    const topic = await stage().topic();
    const client = await stage().client({ brokers: [broker], sasl });
    const producer = await stage().producer({ brokers: [broker], sasl });
    expect(await producer.send([record({ topic, value: Buffer.from('x') })], 5_000)).toEqual([undefined]);
    const [fetched] = await fetchOnce(client, [{ topic, partition: 0, offset: 0 }]);
    expect(fetched!.records).toHaveLength(1);

    const wrong = await stage().client({ brokers: [broker], sasl: { ...sasl, password: 'wrong-secret' } });
    for (const ask of [() => wrong.connect(), () => wrong.ping()]) {
      const error = await failure(ask());
      expect(error).toMatchObject({ code: 'AUTHENTICATION', retryable: false });
      expect(`${error.message} ${error.stack}`).not.toContain('secret');
    }
    const scram = await stage().client({ brokers: [broker], sasl: { ...sasl, mechanism: 'scram-sha-256' } });
    expect(await failure(scram.connect())).toMatchObject({
      code: 'UNSUPPORTED_SASL_MECHANISM',
      retryable: false,
    });
  });

  it('a token is asked for anew with each connection', async () => {
    const logins: string[] = [];
    const proxy = await proxied(stage(), {
      mechanism: 'OAUTHBEARER',
      admits: (login) => logins.push(login) > 0,
    });
    let tokens = 0;
    const token = () => {
      tokens += 1;
      return Promise.resolve(`token-${tokens}`);
    };
    const client = await stage().client({
      brokers: [proxy.broker],
      sasl: { mechanism: 'oauthbearer', token },
    });
    await client.connect();
    await client.ping();
    expect(logins[0]).toContain('token-1');
    const before = logins.length;
    proxy.cut();
    await client.ping().catch(() => client.ping());
    expect(logins.slice(before).join()).toContain(`token-${before + 1}`);
  });

  it('a token that cannot be had is told, and may be had later', async () => {
    const { broker } = await proxied(stage(), { mechanism: 'OAUTHBEARER' });
    let away = true;
    const token = () => (away ? Promise.reject(new Error('no token today')) : 'token');
    const client = await stage().client({ brokers: [broker], sasl: { mechanism: 'oauthbearer', token } });
    expect(await failure(client.connect())).toMatchObject({ code: 'AUTHENTICATION', retryable: true });
    away = false;
    await client.connect();
    await client.ping();
  });
});
