import { describe, expect, it } from '@jest/globals';
import { parseAddress } from '../src/address.js';
import { rabbitmq } from '../src/index.js';
import { handlerOptions, publishOptions, resolveOptions } from '../src/options.js';

describe('Options', () => {
  it.each([
    [{}, /rabbitmq\.url/],
    [{ url: 'http://host' }, /rabbitmq\.url is a text: expected a URL such as amqp:/],
    [{ url: 'amqp://u:%zz@host' }, /rabbitmq\.url is a text: expected a URL/],
    [
      { url: 'amqp://host', quorum: true },
      /unknown option rabbitmq\.quorum: valid are url, queueType, maxBodySize, client/,
    ],
    [
      { url: 'amqp://host', queueType: 'stream' },
      /rabbitmq\.queueType is 'stream': expected .*quorum.*classic/,
    ],
    [{ url: 'amqp://host', maxBodySize: 0 }, /rabbitmq\.maxBodySize is 0: expected at least 1/],
    [{ url: 'amqp://host', client: 5 }, /rabbitmq\.client is 5: expected an object/],
  ])('%j is refused, naming path, value and what is valid', (options, text) => {
    expect(() => rabbitmq(options as never)).toThrow(text);
    expect(() => rabbitmq(options as never)).toThrow(expect.objectContaining({ code: 'CONFIGURATION' }));
  });

  it.each(['amqpx://user:s3cret@host', 'user:s3cret@host', 's3cret'])('never show a password: %s', (url) => {
    try {
      rabbitmq({ url });
      expect('refused').toBe('accepted');
    } catch (error) {
      expect((error as Error).stack).not.toContain('s3cret');
    }
  });

  it('of a handler name an exchange, a queue, a binding', () => {
    expect(handlerOptions(undefined)).toEqual({});
    expect(() => handlerOptions({ exchange: 'legacy' })).toThrow(/rabbitmq\.exchange is 'legacy'/);
    expect(() => handlerOptions({ exchange: { name: 'x', type: 'headers' } })).toThrow(
      /rabbitmq\.exchange\.type/,
    );
    expect(() => handlerOptions({ queues: 'q' })).toThrow(
      /unknown option rabbitmq\.queues: valid are exchange, queue, bind/,
    );
    expect(() => handlerOptions({ bind: 'a.b' })).toThrow(/without rabbitmq\.exchange/);
    expect(() => handlerOptions({ queue: 'q'.repeat(256) })).toThrow(/at most 255 bytes/);
  });

  it('of a publish name an exchange and a routing key', () => {
    expect(publishOptions(undefined)).toBeUndefined();
    expect(publishOptions({ exchange: '', routingKey: 'q' })).toEqual({ exchange: '', routingKey: 'q' });
    expect(() => publishOptions({ routingKey: 'q' })).toThrow(/rabbitmq\.exchange/);
  });
});

describe('An address', () => {
  const parse = (url: string, client = {}) => parseAddress(url, resolveOptions({ url, client }).client);

  it('has the defaults of RabbitMQ', () => {
    expect(parse('amqp://localhost')).toMatchObject({
      shown: 'localhost:5672',
      vhost: '/',
      target: { protocol: 'amqp', hostname: 'localhost', port: 5672, vhost: '%2f', heartbeat: 10 },
    });
    expect(parse('amqps://host').shown).toBe('host:5671');
    expect(parse('amqp://host').target).not.toHaveProperty('username');
  });

  it('is decoded once', () => {
    const { target, vhost } = parse('amqp://us%40er:p%2Fw@[::1]:1234/my%2Fhost');
    expect(target).toMatchObject({
      username: 'us@er',
      password: 'p/w',
      hostname: '::1',
      port: 1234,
      vhost: 'my%2Fhost',
    });
    expect(vhost).toBe('my/host');
  });

  it('may say limits in its query, which `client` overrides', () => {
    expect(parse('amqp://host?heartbeat=5&channelMax=9').target).toMatchObject({
      heartbeat: 5,
      channelMax: 9,
    });
    expect(parse('amqp://host?heartbeat=5', { heartbeat: 30 }).target.heartbeat).toBe(30);
  });
});
