import type { Message } from '@nest-messaging/core/contract';
import { createEngine, type Engine, type EngineOptions, type HandlerSpec } from '@nest-messaging/core/engine';
import { networkedUnderTest } from '../memory-under-test.js';
import { delivering, type Broken } from './breaking.js';

type BreakEngine = (engine: Engine, options: EngineOptions) => Partial<Engine>;

/** The module's engine with a defect, on a sound transport. */
export function brokenEngine(
  name: string,
  change: BreakEngine,
  options: (options: EngineOptions) => EngineOptions = (same) => same,
): Broken {
  return {
    name: `engine: ${name}`,
    create: () => ({
      ...networkedUnderTest(),
      createEngine(given) {
        const changed = options(given);
        const engine = createEngine(changed);
        return { ...engine, ...change(engine, changed) };
      },
    }),
  };
}

export const registering =
  (change: (handler: HandlerSpec) => HandlerSpec): BreakEngine =>
  (engine) => ({ register: (handler) => engine.register(change(handler)) });

export const invoking = (change: (handler: HandlerSpec) => HandlerSpec['invoke']): BreakEngine =>
  registering((handler) => ({ ...handler, invoke: change(handler) }));

/** What the engine sees of messages. */
const onMessages =
  (change: (message: Message) => Message) =>
  (options: EngineOptions): EngineOptions => ({
    ...options,
    broker: delivering((delivery) => ({ ...delivery, message: change(delivery.message) }))(options.broker),
  });

/** Defects in what the engine adds to every transport. */
export const brokenEngines: readonly Broken[] = [
  brokenEngine(
    'takes a handler that throws for one that is done',
    invoking(({ invoke }) => async (...call) => {
      try {
        return await invoke(...call);
      } catch {
        return undefined;
      }
    }),
  ),
  brokenEngine(
    'takes what is no error for none',
    invoking(({ invoke }) => async (...call) => {
      try {
        return await invoke(...call);
      } catch (error) {
        if (error instanceof Error) throw error;
        return undefined;
      }
    }),
  ),
  brokenEngine(
    'does not wait for a handler’s promise',
    invoking(({ invoke }) => (...call) => {
      const handled = invoke(...call);
      if (handled instanceof Promise) handled.catch(() => {});
      return undefined;
    }),
  ),
  brokenEngine(
    'takes every outcome for an ordinary error',
    invoking(({ invoke }) => async (...call) => {
      try {
        return await invoke(...call);
      } catch (error) {
        throw new Error('failed', { cause: error });
      }
    }),
  ),
  brokenEngine(
    'knows no time limit',
    registering((handler) => ({ ...handler, options: { ...handler.options, timeout: '7d' } })),
  ),
  brokenEngine(
    'gives every handler five minutes, whatever it says',
    registering((handler) => ({ ...handler, options: { ...handler.options, timeout: '5m' } })),
  ),
  brokenEngine(
    'does not bound how many handlers run',
    registering((handler) => ({ ...handler, options: { ...handler.options, concurrency: 1_000 } })),
  ),
  brokenEngine(
    'tries ten times, whatever is configured',
    registering((handler) => ({ ...handler, options: { ...handler.options, retry: { attempts: 10 } } })),
  ),
  brokenEngine('checks no schema', (engine) => ({
    register: (handler) => engine.register({ ...handler, contract: undefined }),
    publish: (kind, target, ...rest) =>
      engine.publish(kind, typeof target === 'string' ? target : target.topic, ...rest),
  })),
  brokenEngine(
    'hands bodies over that it cannot read',
    () => ({}),
    (options) => ({
      ...options,
      codec: {
        contentType: 'application/json',
        encode: (payload) => Buffer.from(JSON.stringify(payload) ?? ''),
        decode(body) {
          try {
            return JSON.parse(Buffer.from(body).toString());
          } catch {
            return Buffer.from(body).toString();
          }
        },
      },
    }),
  ),
  brokenEngine(
    'handles JSON objects alone',
    () => ({}),
    (options) => ({
      ...options,
      codec: {
        contentType: 'application/json',
        encode: (payload) => Buffer.from(JSON.stringify(payload)),
        decode(body, contentType) {
          const value: unknown = JSON.parse(Buffer.from(body).toString());
          if (value === null || contentType !== 'application/json') throw new Error('not an object');
          return value;
        },
      },
    }),
  ),
  brokenEngine(
    'opens payloads that look like an envelope',
    () => ({}),
    (options) => ({
      ...options,
      codec: {
        contentType: 'application/json',
        encode: (payload) => Buffer.from(JSON.stringify(payload)),
        decode(body) {
          const value = JSON.parse(Buffer.from(body).toString()) as { data?: unknown } | null;
          return value?.data ?? value;
        },
      },
    }),
  ),
  brokenEngine('writes the payload when it is sent, not when it is published', (engine) => ({
    async publish(...call) {
      await new Promise((resolve) => setImmediate(resolve));
      await engine.publish(...call);
    },
  })),
  brokenEngine('forgets whose handling published a message', (engine) => ({
    publish: (kind, target, payload, options) =>
      new Promise((resolve, reject) => {
        // Outside of the handler's asynchronous context.
        pending.push(() => void engine.publish(kind, target, payload, options).then(resolve, reject));
      }),
  })),
  brokenEngine(
    'handles what is late',
    () => ({}),
    onMessages((message) => ({ ...message, expiresAt: undefined })),
  ),
  brokenEngine('sends whatever it is given', (engine) => ({
    async publish(...call) {
      await engine.publish(...call).catch((error: { code: string }) => {
        if (!['INVALID_MESSAGE', 'MESSAGE_TOO_LARGE', 'INVALID_PAYLOAD'].includes(error.code)) throw error;
      });
    },
  })),
  brokenEngine('does not drain', () => ({ drain: async () => true })),
  brokenEngine('starts what waits while it drains', (engine) => ({
    async drain() {
      await new Promise((resolve) => setTimeout(resolve, 20));
      return true;
    },
    close: () => engine.close(),
  })),
  brokenEngine('drains for ever', (engine) => ({ drain: () => engine.drain(2 ** 40) })),
  brokenEngine('closes on top of publishes', (engine, { broker }) => {
    void broker;
    let closed = false;
    return {
      async publish(...call) {
        await new Promise((resolve) => setImmediate(resolve));
        if (closed) throw new Error('closed');
        await engine.publish(...call);
      },
      close() {
        closed = true;
        return engine.close();
      },
    };
  }),
  brokenEngine('ends publishing when draining begins', (engine) => ({
    async drain(ms) {
      const drained = await engine.drain(ms);
      await engine.close();
      return drained;
    },
  })),
  brokenEngine('accepts publishes after the end', (engine) => ({
    publish: (...call) =>
      engine.publish(...call).catch((error: { code: string }) => {
        if (error.code !== 'CLOSED') throw error;
      }),
  })),
  brokenEngine(
    'waits for a confirmation for ever',
    () => ({}),
    (options) => ({ ...options, publish: { ...options.publish, timeout: 2 ** 40 } }),
  ),
  brokenEngine(
    'knows no order',
    registering((handler) => ({ ...handler, options: { ...handler.options, ordered: false } })),
  ),
  brokenEngine(
    'holds up every key behind one that fails',
    () => ({}),
    onMessages((message) => ({ ...message, key: 'one for all' })),
  ),
  brokenEngine(
    'takes a broadcast for a subscription of the group',
    registering((handler) => ({ ...handler, options: { ...handler.options, broadcast: false } })),
  ),
];

/** Runs from the event loop's own context, in which no message is being handled. */
const pending: (() => void)[] = [];
setInterval(() => {
  for (const run of pending.splice(0)) run();
}, 1).unref();
