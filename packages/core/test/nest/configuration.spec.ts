import { describe, expect, it, jest } from '@jest/globals';
import { Injectable, Module } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import {
  ConfigurationError,
  EventBus,
  getEventBusToken,
  InjectEventBus,
  memory,
  MessageContext,
  MessagingModule,
  OnEvent,
  OnQueue,
  type MessagingModuleOptions,
  type MessagingOptionsFactory,
} from '@nest-messaging/core';
import { compile, recorder, start } from '../support/application.js';

const foreign = {
  name: 'foreign',
  open: () => {
    throw new Error('never opened');
  },
};

describe('a broker URL', () => {
  it.each(['several://u:s3cret@h1:9092,h2:9092', 'several:whatever it likes'])(
    'is its transport’s to read: %s',
    async (url) => {
      const urls: string[] = [];
      const several = Object.assign(() => memory(), {
        schemes: ['several'],
        fromUrl(given: string) {
          urls.push(given);
          return memory();
        },
      });
      await start({}, { service: 'a', broker: url, transports: [several] });
      expect(urls).toEqual([url]);
    },
  );
});

describe('a bad option is refused, and the error names the path, what was found and what is valid', () => {
  it.each<[string, unknown, string]>([
    [
      'an unknown key',
      { servce: 'a' },
      'unknown option MessagingModule options.servce: valid are broker, namespace, topology, defaults, publish, maxBodySize, connectTimeout, publishes, enqueues, service, connections, transports, drainTimeout, retired, codec, telemetry',
    ],
    [
      'a nested unknown key',
      { publish: { timout: 1 } },
      'unknown option MessagingModule options.publish.timout: valid are timeout, maxPending, maxPendingBytes',
    ],
    [
      'a deep unknown key',
      { defaults: { retry: { backoff: { start: 1 } } } },
      'unknown option MessagingModule options.defaults.retry.backoff.start: valid are initial, factor, max, jitter',
    ],
    ['a wrong type', { service: 5 }, 'MessagingModule options.service is 5: expected string'],
    [
      'a wrong choice',
      { topology: 'destroy' },
      'MessagingModule options.topology is \'destroy\': expected ("create" | "validate" | "none")',
    ],
    [
      'a bad duration',
      { drainTimeout: '5 minutes' },
      "MessagingModule options.drainTimeout is '5 minutes': expected a duration (milliseconds or text such as '500ms', '30s', '5m', '2h', '7d')",
    ],
    ['a count below 1', { maxBodySize: 0 }, 'MessagingModule options.maxBodySize is 0: expected at least 1'],
    [
      'a broker that is none',
      { broker: {} },
      "MessagingModule options.broker is an object: expected a broker such as memory() or rabbitmq({ url }), or a URL such as 'amqp://host'",
    ],
    [
      'a service that cannot be a name',
      { service: 'my shop' },
      'service "my shop" holds "my shop": expected words of letters, digits, \'_\' and \'-\', with dots between',
    ],
    [
      'a reserved marker',
      { namespace: 'a--b' },
      "namespace \"a--b\" holds '--', which marks the module's own resources: rename it",
    ],
    [
      'a URL of no known scheme',
      { service: 'a', broker: 'redis://u:secret@h' },
      "the broker URL begins with 'redis:': valid are memory:, amqp:, amqps:, kafka:, kafkas:, aws: and those of options.transports",
    ],
    [
      'no service on a broker that remembers',
      { broker: foreign },
      "MessagingModule options.service is missing: foreign keeps subscriptions by it; name the application, such as 'billing'",
    ],
    [
      'a connection named default',
      { connections: { default: {} } },
      "MessagingModule options.connections.default: the module's own broker is the default connection; name this one otherwise",
    ],
  ])('%s', async (_, options, message) => {
    const refusal = compile({}, options as MessagingModuleOptions);
    await expect(refusal).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refusal).rejects.toMatchObject({ code: 'CONFIGURATION', message });
  });

  it('a URL whose package is not installed', async () => {
    jest.unstable_mockModule('@nest-messaging/aws', () => {
      throw new Error('as if it were not there');
    });
    const refusal = compile({}, { service: 'a', broker: 'aws:eu-west-1?secret' });
    await expect(refusal).rejects.toBeInstanceOf(ConfigurationError);
    await expect(refusal).rejects.toMatchObject({
      code: 'CONFIGURATION',
      message:
        "the broker URL begins with 'aws:', and @nest-messaging/aws cannot be loaded: npm install @nest-messaging/aws @aws-sdk/client-sns @aws-sdk/client-sqs, or pass its factory in options.transports",
    });
  });

  it('of a handler, naming the handler', async () => {
    @Injectable()
    class Invoices {
      @OnEvent('a', { concurency: 3 } as never)
      bill(): void {}
    }
    const app = await compile({ providers: [Invoices] });
    await expect(app.init()).rejects.toThrow(
      /unknown option Invoices\.bill options\.concurency: valid are .*concurrency/,
    );
  });

  it.each<[string, unknown, RegExp]>([
    ['no size', {}, /options\.batch\.size/],
    ['no messages', { size: 0 }, /options\.batch\.size is 0: expected at least 1/],
    ['half a message', { size: 1.5 }, /options\.batch\.size is 1\.5: expected a whole number/],
    ['a wait that is none', { size: 1, wait: 'soon' }, /options\.batch\.wait is 'soon': expected a duration/],
    ['an unknown key', { size: 1, sise: 2 }, /unknown option .*options\.batch\.sise: valid are size, wait/],
  ])('of a batch: %s', async (_, batch, message) => {
    @Injectable()
    class Rows {
      @OnEvent('a', { batch } as never)
      insert(): void {}
    }
    const app = await compile({ providers: [Rows] });
    await expect(app.init()).rejects.toThrow(message);
  });

  it('of a decorator, when the class is loaded', () => {
    expect(() => OnEvent('order placed')).toThrow(ConfigurationError);
    expect(() => OnEvent('')).toThrow(/topic is empty/);
    expect(() => OnEvent('a..b')).toThrow(ConfigurationError);
    expect(() => OnEvent('a.*b')).toThrow(ConfigurationError);
    expect(() => OnQueue('a.*')).toThrow(ConfigurationError);
    expect(() => OnEvent(undefined as never)).toThrow(/topic is undefined/);
  });

  it.each<[string, (bus: EventBus) => Promise<void>, RegExp]>([
    ['topic', (bus) => bus.publish('order placed', 1), /topic "order placed"/],
    ['pattern instead of a topic', (bus) => bus.publish('order.*', 1), /topic "order\.\*"/],
    ['header name', (bus) => bus.publish('a', 1, { headers: { 'a\nb': '1' } }), /header name "a\\nb"/],
    [
      'header value',
      (bus) => bus.publish('a', 1, { headers: { a: 'x\r\ny' } }),
      /header "a" holds NUL, CR or LF/,
    ],
    [
      'half an emoji in a header',
      (bus) => bus.publish('a', 1, { headers: { a: '🚀'.slice(0, 1) } }),
      /header "a" holds half a character/,
    ],
    [
      'reserved header',
      (bus) => bus.publish('a', 1, { headers: { 'ce-id': 'x' } }),
      /header "ce-id" is reserved/,
    ],
    ['header type', (bus) => bus.publish('a', 1, { headers: { a: 1 as never } }), /header "a" is number/],
    ['key', (bus) => bus.publish('a', 1, { key: '' }), /key must be text/],
    [
      'half an emoji in a key',
      (bus) => bus.publish('a', 1, { key: '🚀'.slice(1) }),
      /key must be text without/,
    ],
    ['message id', (bus) => bus.publish('a', 1, { messageId: 'a\0' }), /messageId must be text/],
    ['delay', (bus) => bus.publish('a', 1, { delay: 'soon' as never }), /delay must be milliseconds/],
    ['delay too long', (bus) => bus.publish('a', 1, { delay: '8d' }), /longer than memory can wait/],
    [
      'option',
      (bus) => bus.publish('a', 1, { heders: {} } as never),
      /unknown option heders of publish: valid are/,
    ],
    ['payload', (bus) => bus.publish('a', undefined), /payload is undefined/],
    ['payload that JSON cannot write', (bus) => bus.publish('a', 1n), /cannot be written as JSON/],
    ['size', (bus) => bus.publish('a', 'x'.repeat(2 ** 20)), /1048578 bytes: at most 1048576/],
  ])('of a publish: %s; nothing is sent', async (_, publish, message) => {
    const { bus, events } = await start({});
    await expect(publish(bus)).rejects.toThrow(message);
    expect(events.some(({ type }) => type === 'published')).toBe(false);
  });
});

describe('forRootAsync', () => {
  @Injectable()
  class Handler {
    @OnEvent('a')
    on(_: unknown, { group }: MessageContext): void {
      calls.push(group);
    }
  }
  const calls: string[] = [];
  @Injectable()
  class Factory implements MessagingOptionsFactory {
    createMessagingOptions(): MessagingModuleOptions {
      return { service: 'made' };
    }
  }
  @Module({ providers: [Factory], exports: [Factory] })
  class ConfigModule {}

  it.each([
    [
      'useFactory',
      {
        imports: [ConfigModule],
        inject: [Factory],
        useFactory: async (factory: Factory) => factory.createMessagingOptions(),
      },
    ],
    ['useClass', { useClass: Factory }],
    ['useExisting', { imports: [ConfigModule], useExisting: Factory }],
  ])('takes its options from %s', async (_, options) => {
    calls.splice(0);
    const app = await Test.createTestingModule({
      imports: [MessagingModule.forRootAsync(options)],
      providers: [Handler],
    }).compile();
    await app.init();
    await app.get(EventBus).publish('a', 1);
    await app.close();
    const again = await Test.createTestingModule({
      imports: [MessagingModule.forRootAsync(options)],
      providers: [Handler],
    }).compile();
    await again.close();
  });
});

describe('forFeature', () => {
  it('is refused without forRoot, since no handler would run', async () => {
    const alone = Test.createTestingModule({
      imports: [MessagingModule.forFeature({ group: 'a' })],
    }).compile();
    await expect(alone).rejects.toThrow(/forFeature stands without MessagingModule\.forRoot/);
  });

  it('is refused twice in one Nest module with two groups', async () => {
    @Injectable()
    class Handler {
      @OnEvent('a')
      on(): void {}
    }
    @Module({
      imports: [MessagingModule.forFeature({ group: 'a' }), MessagingModule.forFeature({ group: 'b' })],
      providers: [Handler],
    })
    class Both {}
    const app = await compile({ imports: [Both] });
    await expect(app.init()).rejects.toThrow(/module Both has two default groups/);
  });

  it('takes a group and nothing else', () => {
    expect(() => MessagingModule.forFeature({ gruop: 'a' } as never)).toThrow(ConfigurationError);
    expect(() => MessagingModule.forFeature({ group: 'a.b' })).toThrow(/holds a dot/);
  });
});

describe('named connections', () => {
  it('have a bus and handlers of their own, and fall back on the settings of the module', async () => {
    const { calls, record } = recorder();
    @Injectable()
    class Audit {
      constructor(
        readonly bus: EventBus,
        @InjectEventBus('audit') readonly audit: EventBus,
      ) {}
      @OnEvent('a')
      onDefault(): void {
        record('default');
      }
      @OnEvent('a', { connection: 'audit', retry: { attempts: 1 } })
      onAudit(): void {
        record('audit');
      }
    }
    const { app, until } = await start(
      { providers: [Audit] },
      { service: 'shop', connections: { audit: { broker: memory() } } },
    );
    const { audit } = app.get(Audit);
    await audit.publish('a', 1);
    await until('handled');
    expect(calls).toEqual([['audit']]);
    expect(app.get(getEventBusToken('audit'))).toBe(audit);
  });

  it('are named beside the factory of forRootAsync', async () => {
    const useFactory = () => ({ connections: { audit: {} } });
    const compileAsync = (connections?: string[]) =>
      Test.createTestingModule({
        imports: [MessagingModule.forRootAsync({ connections, useFactory })],
      }).compile();
    const app = await compileAsync(['audit']);
    expect(app.get(getEventBusToken('audit'))).toBeInstanceOf(EventBus);
    await app.close();
    await expect(compileAsync()).rejects.toThrow(/connection 'audit' is not named beside the factory/);
    await expect(compileAsync(['audit', 'other'])).rejects.toThrow(
      /connection 'other' is named, but the options hold none/,
    );
  });

  it('must exist where a handler names one', async () => {
    @Injectable()
    class Audit {
      @OnEvent('a', { connection: 'audt' })
      on(): void {}
    }
    const app = await compile({ providers: [Audit] }, { connections: { audit: {} } });
    await expect(app.init()).rejects.toThrow(
      "Audit.on names the connection 'audt': valid are default, audit",
    );
  });
});
