// An application that says all it can, as compiled code and a process of its own: every log line, every error with all
// that hangs on it, its health, and whatever inspecting its objects shows. canary.spec.ts listens for secrets in it.
import 'reflect-metadata';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { inspect } from 'node:util';
import buffer from 'node:buffer';
import { NestFactory } from '@nestjs/core';
import { NodeTracerProvider, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-node';
import {
  DeadLetters,
  defineEvent,
  EventBus,
  memory,
  MessagingEvents,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  Subscriptions,
} from '@nest-messaging/core';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';
import { openTelemetry } from '@nest-messaging/opentelemetry';
import { rabbitmq } from '@nest-messaging/rabbitmq';

buffer.INSPECT_MAX_BYTES = Number.POSITIVE_INFINITY;
const makers = { aws, kafka, rabbitmq, memory };

/** @type {import('./canary-application.js').Config} */
const { namespace, broker, secrets, unusable } = JSON.parse(/** @type {string} */ (process.env.APPLICATION));

/** One for all applications here: memory is where its value is. */
const value = makers[broker.name](/** @type {never} */ (broker.options));

/** @param {string} what @param {unknown} value */
function say(what, value) {
  const all = {
    depth: Number.POSITIVE_INFINITY,
    showHidden: true,
    maxArrayLength: null,
    maxStringLength: null,
  };
  process.stdout.write(`${what}: ${inspect(value, all)}\n`);
  process.stdout.write(`${what} as JSON: ${asJson(value)}\n`);
}

/** @param {unknown} value */
function asJson(value) {
  const seen = new Set();
  return JSON.stringify(value, (_, each) => {
    if (typeof each === 'bigint') return String(each);
    if (typeof each !== 'object' || each === null) return each;
    if (seen.has(each)) return '…';
    seen.add(each);
    return each;
  });
}

/** @param {string} what @param {() => unknown} act */
async function refused(what, act) {
  try {
    await act();
  } catch (error) {
    say(`refused ${what}`, error);
    return;
  }
  process.stdout.write(`not refused: ${what}\n`);
}

/** @param {string} level */
const level =
  (level) =>
  /** @param {unknown[]} texts */
  (...texts) =>
    say(level, texts);
const logger = {
  log: level('log'),
  warn: level('warn'),
  error: level('error'),
  fatal: level('fatal'),
  debug: level('debug'),
  verbose: level('verbose'),
};

new NodeTracerProvider({
  spanProcessors: [
    new SimpleSpanProcessor({
      export(spans, done) {
        for (const { name, attributes, status, events, links } of spans)
          say(`span ${name}`, { attributes, status, events, links });
        done({ code: 0 });
      },
      shutdown: async () => {},
    }),
  ],
}).register();

const EVENTS = /** @type {const} */ ([
  'connected',
  'disconnected',
  'published',
  'handled',
  'retried',
  'dead-lettered',
  'released',
  'settlement-failed',
  'overload',
  'gap',
  'warning',
]);

/** As validators do: it quotes what it found, and names where, be it a key of a record, which is the payload's. */
const quoting = {
  '~standard': {
    version: /** @type {const} */ (1),
    vendor: 'quoting',
    /** @param {any} value */
    validate: (value) =>
      value?.fits === true
        ? { value }
        : {
            issues: ['fits', ...Object.keys(value)].map((key) => ({
              message: `found ${JSON.stringify(value)}`,
              path: [key],
            })),
          },
  },
};
const Checked = defineEvent('checked', { schema: quoting });

const retry = { attempts: 2, backoff: { initial: 10, max: 10 } };
/** @type {{ [topic: string]: (payload: any, context: import('@nest-messaging/core').MessageContext) => unknown }} */
const handlers = {
  fails() {
    throw new Error('as the test wants it');
  },
  // Not even if a handler throws what it was given.
  throws(payload) {
    throw payload;
  },
  hangs: () => new Promise(() => undefined),
  handles: () => undefined,
};

/** @param {string} name @param {object} [options] @param {any} [source] */
function handlerOf(name, options = {}, source = name) {
  class Handler {
    /** @param {any} payload @param {import('@nest-messaging/core').MessageContext} context */
    on(payload, context) {
      return handlers[name]?.(payload, context);
    }
  }
  OnEvent(source, { retry, ...options })(
    Handler.prototype,
    'on',
    /** @type {any} */ (Object.getOwnPropertyDescriptor(Handler.prototype, 'on')),
  );
  return Handler;
}

/** @param {object} [options] @param {readonly unknown[]} [providers] */
function application(options, providers = []) {
  class AppModule {}
  const messaging = MessagingModule.forRoot({
    service: 'shop',
    namespace,
    broker: value,
    publish: { timeout: '1s' },
    telemetry: openTelemetry(),
    ...options,
  });
  Reflect.defineMetadata('imports', [messaging], AppModule);
  Reflect.defineMetadata('providers', providers, AppModule);
  return NestFactory.createApplicationContext(AppModule, { logger, abortOnError: false });
}

const lines = createInterface({ input: process.stdin });
/** Asks whoever listens to do something to the broker. @param {string} what */
async function ask(what) {
  process.stdout.write(`asks: ${what}\n`);
  await once(lines, 'line');
}

/** @param {() => Promise<boolean>} fits */
async function until(fits) {
  while (!(await fits())) await new Promise((resolve) => setTimeout(resolve, 20));
}

/** @type {{ [part: string]: () => Promise<void> }} */
const parts = {
  /** Options that cannot be used. */
  async options() {
    for (const [name, options] of unusable)
      await refused(`options of ${name}`, () => makers[/** @type {'aws'} */ (name)](options));
    for (const url of [
      `nope://u:${secrets.password}@h`,
      `amqp://u:${secrets.password}@h:x`,
      `kafka://u:${secrets.password}@`,
    ])
      await refused('a URL', () => application({ broker: url }));
  },

  /** It cannot start. */
  async start() {
    await refused('a start', () => application({ connectTimeout: '2s' }, [handlerOf('handles')]));
  },

  /** A whole life. */
  async life() {
    const app = await application({}, [
      handlerOf('fails'),
      handlerOf('throws'),
      handlerOf('hangs', { timeout: 50, retry: { attempts: 1 } }),
      handlerOf('handles'),
      handlerOf('checked', {}, Checked),
    ]);
    const [bus, health, letters] = [app.get(EventBus), app.get(MessagingHealth), app.get(DeadLetters)];
    for (const type of EVENTS) app.get(MessagingEvents).on(type, (event) => say(`event ${type}`, event));
    const headers = { secret: secrets.header };
    const payload = { secret: secrets.payload, [secrets.field]: 'a name for which it is a value' };
    const about = { headers, key: secrets.key };
    for (const topic of Object.keys(handlers)) await bus.publish(topic, payload, about);

    // Poison, and what does not fit its schema: from one who encodes as he likes.
    const raw = /** @type {import('@nest-messaging/core').Codec} */ ({
      contentType: 'application/json',
      encode: (text) => Buffer.from(/** @type {string} */ (text)),
      decode: (body) => body,
    });
    const stranger = await application({ service: 'stranger', codec: raw });
    await stranger.get(EventBus).publish('handles', `{"secret":"${secrets.payload}`, about);
    await stranger.get(EventBus).publish('checked', JSON.stringify(payload), about);
    await stranger.close();
    for (const topic of ['fails', 'throws', 'hangs', 'handles', 'checked'])
      await until(async () => (await letters.list({ topic })).letters.length === 1);
    say(
      'failure',
      (await letters.list({ topic: 'throws' })).letters.map(({ failure }) => failure),
    );

    await refused('what is too large', () => bus.publish('handles', secrets.payload.repeat(100_000), about));
    // On memory they may be of any size.
    if (broker.name !== 'memory')
      await refused('headers that are too large', () =>
        bus.publish('handles', payload, { ...about, headers: { big: secrets.header.repeat(60_000) } }),
      );
    await refused('a line break in a header', () =>
      bus.publish('handles', payload, { headers: { 'x-secret': `${secrets.header}\n` } }),
    );
    await refused('a header that is no text', () =>
      bus.publish('handles', payload, {
        headers: { 'x-secret': /** @type {any} */ ({ secret: secrets.header }) },
      }),
    );
    await refused('a key', () => bus.publish('handles', payload, { key: `${secrets.key}\0` }));
    await refused('what does not fit', () => bus.publish(Checked, payload));
    await refused('what is no JSON', () => bus.publish('handles', { ...payload, n: 1n }));
    await refused('what pollutes', () =>
      bus.publish('handles', { ...payload, constructor: { prototype: { secret: secrets.payload } } }),
    );

    if (broker.name !== 'memory') {
      await ask('cut');
      await until(async () => (await health.check()).ready);
      await ask('away');
      await refused('while the broker is away', () => bus.publish('handles', payload, about));
      say('health', await health.check());
      await ask('back');
      await until(async () => (await health.check()).ready);
    }
    say('health', await health.check());
    const environment = {
      connection: 'default',
      service: 'shop',
      topology: /** @type {const} */ ('create'),
      connectTimeout: 1_000,
      clock: { now: Date.now, schedule: () => () => undefined },
      report: () => undefined,
    };
    say('a broker', value);
    say('a transport', value.open(environment));
    say('a bus', bus);
    for (const each of [MessagingHealth, MessagingEvents, DeadLetters, Subscriptions])
      say(each.name, app.get(each));
    await app.close();
    await refused('after the end', () => bus.publish('handles', payload, about));
  },
};

await parts[/** @type {string} */ (process.argv[2])]?.();
lines.close();
process.stdin.destroy();
