// The small application that faults happen to, as compiled code and a process of its own. What it is comes in
// APPLICATION (see application.ts), what it shall do on standard input, what it did goes to file descriptor 3: one JSON a line.
import 'reflect-metadata';
import { writeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as wait } from 'node:timers/promises';
import { NestFactory } from '@nestjs/core';
import {
  DeadLetters,
  EventBus,
  MessagingHealth,
  MessagingModule,
  OnEvent,
  OnQueue,
  Subscriptions,
  defineEvent,
  memory,
} from '@nest-messaging/core';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';
import { rabbitmq } from '@nest-messaging/rabbitmq';
import { now } from './clock.mjs';

/** @typedef {import('./application.js').ApplicationConfig} Config */
/** @typedef {import('./application.js').HandlerConfig} HandlerConfig */
/** @typedef {import('./application.js').Load} Load */
/** @typedef {import('./application.js').Told} Told */

/** A pipe of its own: Node makes standard output one that may refuse to take more. */
const TOLD = 3;

/** Written before anything else can happen, so that a killed process has told all that it did. @param {Told} told */
function tell(told) {
  writeSync(TOLD, `${JSON.stringify(told)}\n`);
}

for (const event of /** @type {const} */ (['uncaughtException', 'unhandledRejection']))
  process.on(event, (error) => tell({ told: 'unhandled', event, text: String(error?.stack ?? error) }));

/** @type {Config} */
const config = JSON.parse(/** @type {string} */ (process.env.APPLICATION));

// Such as of listeners that pile up.
process.on('warning', (warning) => tell({ told: 'log', level: 'warning', text: String(warning.stack) }));
/** A topic, or its contract where it has an order. @param {string} topic @param {boolean} [ordered] @returns {any} */
const targetOf = (topic, ordered) =>
  ordered ? defineEvent(topic, { ordered, key: (/** @type {{ key: string }} */ { key }) => key }) : topic;

/** @param {HandlerConfig} handler */
function handlerOf({ topic, queue, options, ordered, ms = 0, act: usual = 'succeed' }) {
  const group = options?.group ?? config.service;
  class Handler {
    /**
     * @param {import('./application.js').Payload | undefined} payload
     * @param {import('@nest-messaging/core').MessageContext} context
     */
    async on(payload, { id, key, attempt, topic: from }) {
      const about = { id, group, topic: from, attempt, ...(key === undefined ? {} : { key }) };
      tell({ told: 'began', ...about, at: now() });
      const { act = usual, times = Number.POSITIVE_INFINITY, ms: own = ms } = payload ?? {};
      if (own > 0) await wait(own);
      if (act === 'hang') await new Promise(() => undefined);
      if (act === 'die') process.kill(process.pid, 'SIGKILL');
      if (act === 'fail' && attempt <= times) {
        tell({ told: 'failed', ...about, at: now() });
        throw new Error('told to fail');
      }
      tell({ told: 'handled', ...about, at: now() });
    }
  }
  const decorate =
    queue === undefined
      ? OnEvent(targetOf(/** @type {string} */ (topic), ordered), options)
      : OnQueue(queue, options);
  decorate(
    Handler.prototype,
    'on',
    /** @type {TypedPropertyDescriptor<Handler['on']>} */ (
      Object.getOwnPropertyDescriptor(Handler.prototype, 'on')
    ),
  );
  return Handler;
}

const makers = { aws, kafka, rabbitmq, memory };

/** @param {readonly HandlerConfig[]} handlers */
function moduleOf(handlers, service = config.service) {
  class AppModule {}
  Reflect.defineMetadata(
    'imports',
    [
      MessagingModule.forRoot({
        service,
        namespace: config.namespace,
        broker: makers[config.broker.name](/** @type {never} */ (config.broker.options)),
        ...config.module,
      }),
    ],
    AppModule,
  );
  Reflect.defineMetadata('providers', handlers.map(handlerOf), AppModule);
  return AppModule;
}

/** @param {string} level */
const log =
  (level) =>
  /** @param {unknown} message @param {unknown[]} more */
  (message, ...more) =>
    tell({ told: 'log', level, text: [message, ...more].join(' ') });
const logger = { log: log('log'), warn: log('warn'), error: log('error'), fatal: log('fatal') };

/** @type {import('@nestjs/common').INestApplicationContext} */
let app;
try {
  app = await NestFactory.createApplicationContext(moduleOf(config.handlers), {
    logger,
    abortOnError: false,
  });
} catch (error) {
  tell({ told: 'refused', ...described(error) });
  process.exit(1);
}
app.enableShutdownHooks();
const bus = app.get(EventBus);
const health = app.get(MessagingHealth);
const letters = app.get(DeadLetters);
const subscriptions = app.get(Subscriptions);

/** @param {any} error */
function described(error) {
  const text = [];
  for (let each = error; each instanceof Error && text.length < 10; each = each.cause)
    text.push(
      `${each.name}: ${each.message}`,
      ...(each instanceof AggregateError ? each.errors.map(String) : []),
    );
  return { code: error?.code, retryable: error?.retryable, text: text.join(' < ') || String(error) };
}

/** @type {Map<string, () => Promise<unknown>>} */
const loads = new Map();

/** @param {Load} load */
function begin({
  name,
  topic,
  queue,
  lanes = 1,
  count = Number.POSITIVE_INFINITY,
  keys,
  ordered,
  size = 0,
  pause = 0,
  payload = {},
  delay,
}) {
  let going = true;
  let next = 0;
  let pending = 0;
  const filling = 'x'.repeat(size);
  const target = topic === undefined ? undefined : targetOf(topic, ordered);
  /** @param {unknown} _ @param {number} own */
  const lane = async (_, own) => {
    while (going && next < count) {
      const n = next++;
      const id = `${name}-${n}`;
      const key = ordered ? `k${own}` : keys && `k${n % keys}`;
      const options = {
        messageId: id,
        ...(key && { key }),
        ...(delay !== undefined && { delay }),
      };
      const body = { ...payload, n, ...(size > 0 && { filling }) };
      const began = performance.now();
      pending++;
      tell({ told: 'publishing', id });
      try {
        if (queue === undefined) await bus.publish(target, body, options);
        else await bus.enqueue(queue, body, options);
        tell({ told: 'resolved', id, ms: performance.now() - began });
      } catch (error) {
        tell({ told: 'rejected', id, ms: performance.now() - began, ...described(error) });
      }
      pending--;
      if (pause > 0) await wait(pause);
    }
  };
  const done = Promise.all(Array.from({ length: lanes }, lane));
  loads.set(name, async () => {
    going = false;
    await done;
    return { begun: next, pending };
  });
  return done;
}

/** What a process holds, to be compared with what it held before. */
function held() {
  globalThis.gc?.();
  const kinds = /** @type {Record<string, number>} */ ({});
  for (const kind of process.getActiveResourcesInfo()) kinds[kind] = (kinds[kind] ?? 0) + 1;
  const { heapUsed, rss } = process.memoryUsage();
  const listeners = process.eventNames().reduce((sum, name) => sum + process.listenerCount(name), 0);
  return { heapUsed, rss, kinds, listeners };
}

/**
 * Starts another application beside the first and closes it, over and over; answers what was held in between.
 * @param {import('./application.js').Cycles} cycles
 */
async function cycle({ count, handlers, topic, sample }) {
  const samples = [];
  for (let n = 1; n <= count; n++) {
    const another = await NestFactory.createApplicationContext(
      moduleOf(handlers, `${config.service}-others`),
      {
        logger,
        abortOnError: false,
      },
    );
    another.enableShutdownHooks();
    await another.get(EventBus).publish(topic, {}, { messageId: `cycle-${n}` });
    await another.close();
    if (n % sample === 0) samples.push({ at: n, ...held() });
  }
  return samples;
}

/** @type {{ [name: string]: (argument: any) => unknown }} */
const commands = {
  health: () => health.check(),
  letters: async ({ source, limit = 100_000 }) =>
    (await letters.list(source, { limit, payload: true })).letters.map(
      ({ message, attempts, failure, group }) => ({
        id: message.id,
        attempts,
        group,
        failure: failure.message,
        body: Buffer.from(/** @type {Uint8Array} */ (message.body)).toString('base64'),
        headers: message.headers,
      }),
    ),
  redrive: async ({ source, ids = 'all' }) => (await letters.redrive(source, ids)).count,
  publish: async (load) => {
    await begin({ ...load, count: load.count ?? 1 });
    loads.delete(load.name);
  },
  begin: (load) => void begin(load),
  end: (name) => loads.get(name)?.(),
  held,
  cycle,
  pause: (source) => subscriptions.pause(source),
  resume: (source) => subscriptions.resume(source),
  purge: async (source) => (await letters.purge(source, 'all')).count,
  close: async () => {
    await app.close();
    // What is left open keeps the process from ending, and that is seen.
    process.stdin.destroy();
  },
};

// Who asks was ended himself, and can end nobody any more.
process.stdin.once('end', () => process.exit());
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { ask, command, argument } = JSON.parse(line);
  try {
    tell({ told: 'answer', ask, value: await commands[command]?.(argument) });
  } catch (error) {
    tell({ told: 'answer', ask, error: described(error) });
  }
});
tell({ told: 'ready' });
