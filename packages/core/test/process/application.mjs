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

const app = await NestFactory.createApplicationContext(AppModule, {
  logger: new Logger(),
  abortOnError: false,
});
app.enableShutdownHooks();
// Memory has no server that keeps the process alive.
setInterval(() => undefined, 1_000);
await app.get(EventBus).publish('a', 1);
