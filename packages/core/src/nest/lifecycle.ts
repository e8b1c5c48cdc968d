import type { Logger } from '@nestjs/common';
import { ExternalContextCreator, type ModulesContainer } from '@nestjs/core';
import type { Engine } from '../engine/index.js';
import { findHandlers, findMistakenListeners } from './discovery.js';
import { createInvoker } from './invoker.js';
import type { MessagingExplorer } from './messaging-explorer.js';
import type { inPlaceOf } from './retired.js';
import { onSecondSignal } from './second-signal.js';
import { DEFAULT_CONNECTION, engineNamed, type Engines } from './runtime.js';

/** The application's messaging from its first hook to its last. */
export interface Lifecycle {
  /** Registers the handlers, connects and subscribes; handlers wait for `open`. Leaves nothing open if it fails. */
  start(): Promise<void>;
  /** Lets handlers run: every other module is ready. */
  open(): void;
  /** Stops taking and waits for running handlers: every other module is still there. */
  drain(): Promise<void>;
  /** Waits for publishes under way, and closes. */
  close(): Promise<void>;
}

/** Milliseconds after the start in which an application enables its shutdown hooks. */
const HOOKS_WITHIN = 1_000;

export function createLifecycle(
  engines: Engines,
  modules: ModulesContainer,
  nest: ExternalContextCreator,
  logger: Logger,
  drainTimeout: number,
  retired: readonly ReturnType<typeof inPlaceOf>[],
  explorer: MessagingExplorer,
): Lifecycle {
  const all: readonly Engine[] = [...engines.values()];
  let ignoreSignals = (): void => undefined;
  let looking: NodeJS.Timeout | undefined;

  function register(): void {
    for (const { label, metadata, host, defaultGroup, flaw } of findHandlers(modules)) {
      if (flaw) throw flaw;
      engineNamed(engines, metadata.options.connection ?? DEFAULT_CONNECTION, label).register({
        label,
        ...metadata,
        defaultGroup,
        invoke: createInvoker(host, nest),
      });
    }
    for (const { connection, spec } of retired) engineNamed(engines, connection, spec.label).register(spec);
    explorer.refusePublished();
    for (const label of findMistakenListeners(modules))
      logger.warn(
        `${label} is decorated with OnEvent of @nestjs/event-emitter, which this application does not use: import OnEvent from @nest-messaging/core`,
      );
  }

  const closeAll = async (): Promise<void> => {
    const results = await Promise.allSettled(all.map((engine) => engine.close()));
    for (const result of results)
      if (result.status === 'rejected') logger.error(`closing failed: ${String(result.reason)}`);
  };

  return {
    async start() {
      try {
        register();
        const results = await Promise.allSettled(all.map((engine) => engine.start()));
        for (const result of results) if (result.status === 'rejected') throw result.reason;
      } catch (error) {
        await closeAll();
        throw error;
      }
    },
    open() {
      all.forEach((engine) => engine.open());
      if (!all.some((engine) => engine.durable)) return;
      // `createApplicationContext` comes here before its caller has the application, whose hooks he may enable.
      looking = setTimeout(() => {
        if (process.listenerCount('SIGTERM') > 0) return;
        logger.warn(
          'shutdown hooks are not enabled: on SIGTERM running handlers are cut off and their messages delivered again; call app.enableShutdownHooks()',
        );
      }, HOOKS_WITHIN);
      looking.unref();
    },
    async drain() {
      clearTimeout(looking);
      ignoreSignals = onSecondSignal((signal) => {
        logger.warn(`${signal} while draining: ending at once; what was not settled is delivered again`);
        process.exit(1);
      });
      logger.log('draining: nothing more is taken, running handlers end');
      const results = await Promise.allSettled(all.map((engine) => engine.drain(drainTimeout)));
      for (const result of results)
        if (result.status === 'rejected') logger.error(`draining failed: ${String(result.reason)}`);
      if (results.every((result) => result.status === 'fulfilled' && result.value)) return;
      logger.error(
        `handlers still ran after the drain time of ${drainTimeout} ms: their messages are delivered again; raise drainTimeout or heed context.signal`,
      );
      process.exitCode = 1;
    },
    async close() {
      await closeAll();
      ignoreSignals();
    },
  };
}
