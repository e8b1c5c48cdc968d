// A small application as compiled code, run by shutdown.spec.ts: `MODE` says how its handler behaves.
import 'reflect-metadata';
import { Logger } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, MessagingModule, OnEvent } from '@nest-messaging/core';

/** @param {string} line */
const say = (line) => process.stdout.write(`${line}\n`);

class Handler {
  /**
   * @param {unknown} _payload
   * @param {import('@nest-messaging/core').MessageContext} context
   */
  async on(_payload, { signal }) {
    say('handling');
    if (process.env.MODE === 'slow') await new Promise((resolve) => setTimeout(resolve, 300));
    else await new Promise((resolve) => signal.addEventListener('abort', resolve));
    say('handled');
  }
}
OnEvent('a')(
  Handler.prototype,
  'on',
  /** @type {TypedPropertyDescriptor<Handler['on']>} */ (
    Object.getOwnPropertyDescriptor(Handler.prototype, 'on')
  ),
);

class Database {
  onModuleDestroy() {
    say('database closed');
  }
}

class AppModule {}
Reflect.defineMetadata(
  'imports',
  [MessagingModule.forRoot({ service: 'shop', drainTimeout: Number(process.env.DRAIN ?? 5_000) })],
  AppModule,
);
Reflect.defineMetadata('providers', [Handler, Database], AppModule);

/** @param {typeof AppModule} type */
async function start(type) {
  const app = await NestFactory.createApplicationContext(type, { logger: new Logger(), abortOnError: false });
  app.enableShutdownHooks();
  return app;
}

const app = await start(AppModule);
// Memory has no server that keeps the process alive.
setInterval(() => undefined, 1_000);
if (process.env.TWO) {
  // A second application in the process, with nothing to wait for: it ends first, and Nest raises the signal again.
  class IdleModule {}
  Reflect.defineMetadata('imports', [MessagingModule.forRoot({ service: 'idle' })], IdleModule);
  await start(IdleModule);
}
await app.get(EventBus).publish('a', 1);
