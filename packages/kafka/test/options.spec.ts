import { describe, expect, it } from '@jest/globals';
import { kafka } from '../src/index.js';
import { handlerOptions, optionsOfUrl, resolveOptions, type KafkaOptions } from '../src/options.js';

const brokers = ['host:9092'];

describe('Options', () => {
  it('have defaults, in milliseconds', () => {
    expect(resolveOptions({ brokers: ['host'] })).toEqual({
      brokers: ['host:9092'],
      driver: 'kafkajs',
      tls: undefined,
      sasl: undefined,
      partitions: 12,
      replicas: -1,
      topicConfig: {},
      compression: 'none',
      linger: 0,
      maxBodySize: 1_000_000,
      sessionTimeout: 30_000,
      rebalanceTimeout: 60_000,
      discovery: 10_000,
      client: {},
    });
  });

  it('are taken as they are given', () => {
    const token = (): string => 't';
    const given = {
      brokers: ['a:1', '10.0.0.1', '[::1]:2', '[::1]', 'under_score.example'],
      driver: 'platformatic',
      tls: { servername: 's' },
      sasl: { mechanism: 'oauthbearer', token },
      partitions: 1,
      replicas: 3,
      topicConfig: { 'retention.ms': '1' },
      compression: 'zstd',
      linger: 5,
      maxBodySize: 10,
      sessionTimeout: '6s',
      rebalanceTimeout: '1m',
      discovery: '300ms',
      client: { anything: 1 },
    } as const satisfies KafkaOptions;
    expect(resolveOptions(given)).toEqual({
      ...given,
      brokers: ['a:1', '10.0.0.1:9092', '[::1]:2', '[::1]:9092', 'under_score.example:9092'],
      sessionTimeout: 6_000,
      rebalanceTimeout: 60_000,
      discovery: 300,
    });
    expect(resolveOptions({ brokers, tls: true }).tls).toEqual({});
    expect(resolveOptions({ brokers, tls: false }).tls).toBeUndefined();
    for (const mechanism of ['plain', 'scram-sha-256', 'scram-sha-512'] as const) {
      const sasl = { mechanism, username: 'u', password: 'p' };
      expect(resolveOptions({ brokers, sasl }).sasl).toEqual(sasl);
    }
  });

  it.each([
    [{}, /kafka\.brokers is undefined: expected/],
    [{ brokers: [] }, /kafka\.brokers is an array: expected at least one 'host:port'/],
    [{ brokers: 'host:9092' }, /kafka\.brokers is 'host:9092': expected Array/],
    [{ brokers: ['http://host'] }, /kafka\.brokers\.0 is a text: expected 'host:port'/],
    [{ brokers: ['host:port'] }, /kafka\.brokers\.0 is 'host:port': expected 'host:port'/],
    [{ brokers, broker: 'x' }, /unknown option kafka\.broker: valid are brokers, driver, tls, sasl/],
    [{ brokers, driver: 'librdkafka' }, /kafka\.driver is 'librdkafka': expected .*kafkajs.*platformatic/],
    [{ brokers, partitions: 0 }, /kafka\.partitions is 0: expected at least 1/],
    [{ brokers, replicas: 1.5 }, /kafka\.replicas is 1\.5: expected a whole number/],
    [{ brokers, compression: 'brotli' }, /kafka\.compression is 'brotli': expected .*zstd/],
    [{ brokers, topicConfig: { 'retention.ms': 1 } }, /kafka\.topicConfig\.retention\.ms is 1: expected/],
    [{ brokers, linger: 'soon' }, /kafka\.linger is 'soon': expected a duration/],
    [{ brokers, maxBodySize: -1 }, /kafka\.maxBodySize is -1/],
    [{ brokers, sessionTimeout: 0 }, /kafka\.sessionTimeout is 0: expected a duration longer than 0/],
    [{ brokers, rebalanceTimeout: 'x' }, /kafka\.rebalanceTimeout/],
    [{ brokers, discovery: 0 }, /kafka\.discovery/],
    [{ brokers, tls: 'yes' }, /kafka\.tls is 'yes'/],
    [{ brokers, client: 5 }, /kafka\.client is 5: expected an object/],
    [{ brokers, sasl: { mechanism: 'gssapi' } }, /kafka\.sasl\.mechanism is 'gssapi': expected/],
    [{ brokers, sasl: { mechanism: 'plain', username: 'u' } }, /kafka\.sasl\.password is undefined/],
    [
      { brokers, sasl: { mechanism: 'plain', username: 'u', password: 5367 } },
      /kafka\.sasl\.password is a number/,
    ],
    [{ brokers: ['user:s3cret@host'] }, /kafka\.brokers\.0 is a text/],
    [{ brokers, sasl: { mechanism: 'oauthbearer', token: 'x' } }, /kafka\.sasl\.token/],
    [
      { brokers, sasl: { mechanism: 'plain', username: '', password: 'p' } },
      /kafka\.sasl\.username is '': expected a text that is not empty/,
    ],
    [
      { brokers, sasl: { mechanism: 'plain', username: 'u', password: 'p', realm: 'r' } },
      /unknown option kafka\.sasl\.realm/,
    ],
  ])('%j is refused, naming path, value and what is valid', (options, text) => {
    expect(() => kafka(options as never)).toThrow(text);
    expect(() => kafka(options as never)).toThrow(expect.objectContaining({ code: 'CONFIGURATION' }));
  });

  it('of a handler say where a new subscription begins', () => {
    expect(handlerOptions(undefined)).toEqual({});
    expect(handlerOptions({ from: 'beginning' })).toEqual({ from: 'beginning' });
    expect(() => handlerOptions({ from: 'yesterday' })).toThrow(/kafka\.from is 'yesterday': expected/);
    expect(() => handlerOptions({ groupId: 'g' })).toThrow(/unknown option kafka\.groupId: valid are from/);
  });
});

describe('A URL', () => {
  it('names one broker or several', () => {
    expect(optionsOfUrl('kafka://localhost')).toEqual({ brokers: ['localhost'] });
    expect(optionsOfUrl('kafka://a:1,b:2,[::1]:3/')).toEqual({ brokers: ['a:1', 'b:2', '[::1]:3'] });
    expect(optionsOfUrl('KAFKAS://a')).toEqual({ brokers: ['a'], tls: true });
    expect(kafka.schemes).toEqual(['kafka', 'kafkas']);
    expect(kafka.fromUrl('kafka://a,b:2').name).toBe('kafka');
  });

  it('may hold a login, percent-encoded', () => {
    expect(optionsOfUrl('kafka://us%40er:p%2Fw%3A%25@host:1')).toEqual({
      brokers: ['host:1'],
      sasl: { mechanism: 'plain', username: 'us@er', password: 'p/w:%' },
    });
    expect(optionsOfUrl('kafkas://u:p@host?mechanism=scram-sha-512')).toMatchObject({
      tls: true,
      sasl: { mechanism: 'scram-sha-512' },
    });
  });

  it('may hold a few options in its query', () => {
    expect(optionsOfUrl('kafka://host?driver=platformatic&partitions=3&replicas=2&compression=gzip')).toEqual(
      { brokers: ['host'], driver: 'platformatic', partitions: 3, replicas: 2, compression: 'gzip' },
    );
  });

  it.each([
    ['kafka://', /broker URL cannot be read: expected 'kafka:\/\/user:password@host:9092/],
    ['kafka:host', /cannot be read/],
    ['amqp://host', /cannot be read/],
    ['kafka://host/topic', /cannot be read/],
    ['kafka://host:port', /kafka\.brokers\.0 is 'host:port'/],
    ['kafka://host,,other', /kafka\.brokers\.1/],
    ['kafka://host?acks=0', /unknown option acks in the broker URL's query: valid are driver, partitions/],
    ['kafka://host?__proto__=0', /unknown option __proto__/],
    ['kafka://host?partitions=many', /kafka\.partitions/],
    ['kafka://host?driver=x', /kafka\.driver is 'x'/],
    ['kafka://user@host', /kafka\.sasl\.password/],
    ['kafka://user:pass@host?mechanism=ldap', /kafka\.sasl\.mechanism is 'ldap'/],
    ['kafka://user:%zz@host', /not percent-encoded/],
    ['kafka://host?mechanism=plain', /mechanism .* without a user/],
  ])('%s is refused, with what is expected', (url, text) => {
    expect(() => kafka.fromUrl(url)).toThrow(text);
    expect(() => kafka.fromUrl(url)).toThrow(expect.objectContaining({ code: 'CONFIGURATION' }));
  });

  it.each([
    'kafka://user:s3cret@',
    'kafka://user:s3cret%@host',
    'kafka://user:s3cret@host/x',
    'kafka://user:s3cret@host?x=1',
    'kafka://user:s3cret@host:port',
    'kafka://user:s3cret@host?mechanism=x',
    'kafka://user:s3cret/@host',
    'kafkax://user:s3cret@host',
  ])('never shows its password: %s', (url) => {
    const error = (() => {
      try {
        kafka.fromUrl(url);
        return undefined;
      } catch (caught) {
        return caught as Error;
      }
    })();
    expect(error).toBeDefined();
    for (let at: unknown = error; at instanceof Error; at = at.cause)
      expect(`${at.message} ${at.stack}`.replaceAll(/^\s+at .*$/gm, '')).not.toContain('s3cret');
  });
});
