// A small application as compiled code, run by killed.spec.ts: its handler says what it gets, and hangs if `HANG` is set.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { MessagingModule, OnEvent } from '@nest-messaging/core';
import { kafka } from '@nest-messaging/kafka';

class Handler {
  /**
   * @param {unknown} _payload
   * @param {import('@nest-messaging/core').MessageContext} context
   */
  async on(_payload, { id, attempt }) {
    process.stdout.write(`handling ${id}, attempt ${attempt}\n`);
    if (process.env.HANG) await new Promise(() => undefined);
  }
}
OnEvent('order.placed')(
  Handler.prototype,
  'on',
  /** @type {TypedPropertyDescriptor<Handler['on']>} */ (
    Object.getOwnPropertyDescriptor(Handler.prototype, 'on')
  ),
);

const { NAMESPACE, BROKER_URL, KAFKA_OPTIONS } = process.env;

class AppModule {}
Reflect.defineMetadata(
  'imports',
  [
    MessagingModule.forRoot({
      service: 'billing',
      namespace: NAMESPACE,
      broker: KAFKA_OPTIONS ? kafka(JSON.parse(KAFKA_OPTIONS)) : BROKER_URL,
    }),
  ],
  AppModule,
);
Reflect.defineMetadata('providers', [Handler], AppModule);

const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
app.enableShutdownHooks();
process.stdout.write('ready\n');
