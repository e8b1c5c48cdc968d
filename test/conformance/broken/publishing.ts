import { PublishRejectedError } from '@nest-messaging/core/contract';
import { networkedUnderTest } from '../memory-under-test.js';
import { around, broken, later, never, type Broken } from './breaking.js';

/** Defects in publishing. */
export const brokenPublishing: readonly Broken[] = [
  broken('delivers nothing', () => around(() => ({ publish: async () => {} }))),
  broken('resolves a publish before the broker has the message', () =>
    around((transport) => {
      let closed = false;
      return {
        async publish(message, signal) {
          signal.throwIfAborted();
          void later().then(() => (closed ? undefined : transport.publish(message, never).catch(() => {})));
        },
        close() {
          closed = true;
          return transport.close();
        },
      };
    }),
  ),
  broken('resolves a subscription before it is bound', () =>
    around((transport) => ({
      async subscribe(subscription, handle) {
        const consumer = later().then(() => transport.subscribe(subscription, handle));
        consumer.catch(() => {});
        return { stop: async () => (await consumer).stop() };
      },
    })),
  ),
  broken('refuses topics that nobody subscribes to', () => {
    const known = new Set<string>();
    return around((transport) => ({
      subscribe(subscription, handle) {
        known.add(subscription.source.name);
        return transport.subscribe(subscription, handle);
      },
      async publish(message, signal) {
        if (known.size > 0 && message.destination.kind === 'topic' && !known.has(message.destination.name))
          throw new PublishRejectedError('unroutable');
        if (known.size === 0 && message.destination.name.endsWith('nobody'))
          throw new PublishRejectedError('unroutable');
        await transport.publish(message, signal);
      },
    }));
  }),
  broken('fails publishes together that were called together', () =>
    around((transport) => {
      let batch: Promise<unknown>[] = [];
      return {
        async publish(message, signal) {
          const mine = transport.publish(message, signal);
          batch.push(mine);
          mine.catch(() => {});
          await Promise.resolve();
          const all = batch;
          await later();
          batch = [];
          await Promise.all(all);
        },
      };
    }),
  ),
  broken('ignores the signal of a publish', () =>
    around((transport) => ({ publish: (message) => transport.publish(message, never) })),
  ),
  broken('rejects a publish in time and sends it later all the same', () =>
    around((transport) => ({
      publish: (message, signal) =>
        new Promise((resolve, reject) => {
          signal.addEventListener('abort', () => reject(signal.reason as Error));
          if (signal.aborted) reject(signal.reason as Error);
          transport.publish(message, never).then(resolve, reject);
        }),
    })),
  ),
  broken('rejects with an error of its own where the signal has a reason', () =>
    around((transport) => ({
      publish: (message, signal) =>
        transport.publish(message, signal).catch((error: unknown) => {
          throw signal.aborted ? new Error('aborted') : error;
        }),
    })),
  ),
  broken('tells one alone of the publishes that share a signal when that aborts', () =>
    around((transport) => ({
      publish(message, signal) {
        const own = new AbortController();
        // There is room for one alone.
        signal.onabort = () => own.abort(signal.reason);
        if (signal.aborted) own.abort(signal.reason);
        return transport.publish(message, own.signal);
      },
    })),
  ),
  broken('rejects a publish that would have to wait', () =>
    around((transport) => ({
      publish: (message, signal) =>
        transport.publish(message, AbortSignal.any([signal, AbortSignal.timeout(5)])),
    })),
  ),
  {
    name: 'loses what is published while the connection is lost',
    create: () => networkedUnderTest(undefined, { messages: true }),
  },
  broken('keeps publishes waiting for ever when it closes', () =>
    around((transport) => {
      let closing = false;
      return {
        publish: (message, signal) =>
          transport.publish(message, signal).catch((error: unknown) => {
            if (closing) return new Promise<void>(() => {});
            throw error;
          }),
        close() {
          closing = true;
          return transport.close();
        },
      };
    }),
  ),
  broken('accepts publishes and subscriptions after closing', () =>
    around((transport) => ({
      publish: (message, signal) =>
        transport.publish(message, signal).catch((error: { code?: string }) => {
          if (error.code !== 'CLOSED') throw error;
        }),
      subscribe: (subscription, handle) =>
        transport.subscribe(subscription, handle).catch((error: { code?: string }) => {
          if (error.code !== 'CLOSED') throw error;
          return { stop: async () => {} };
        }),
    })),
  ),
];
