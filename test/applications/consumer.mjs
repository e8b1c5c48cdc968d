// A small application as compiled code: its handler says what it gets and what it has done, takes `TAKES` milliseconds for
// each, and hangs if `HANG` is set.
import 'reflect-metadata';
import { NestFactory } from '@nestjs/core';
import { MessagingModule, OnEvent } from '@nest-messaging/core';
import { aws } from '@nest-messaging/aws';
import { kafka } from '@nest-messaging/kafka';

class Handler {
  /**
   * @param {unknown} _payload
   * @param {import('@nest-messaging/core').MessageContext} context
   */
  async on(_payload, { id, attempt }) {
    process.stdout.write(`handling ${id}, attempt ${attempt}\n`);
    if (process.env.HANG) await new Promise(() => undefined);
    if (process.env.TAKES) await new Promise((resolve) => setTimeout(resolve, Number(process.env.TAKES)));
    process.stdout.write(`handled ${id}\n`);
  }
}
OnEvent('order.placed', process.env.CONCURRENCY ? { concurrency: Number(process.env.CONCURRENCY) } : {})(
  Handler.prototype,
  'on',
  /** @type {TypedPropertyDescriptor<Handler['on']>} */ (
    Object.getOwnPropertyDescriptor(Handler.prototype, 'on')
  ),
);

const { NAMESPACE, BROKER_URL, BROKER, BROKER_OPTIONS = '{}' } = process.env;
const options = JSON.parse(BROKER_OPTIONS);

class AppModule {}
Reflect.defineMetadata(
  'imports',
  [
    MessagingModule.forRoot({
      service: 'billing',
      namespace: NAMESPACE,
      broker: BROKER === 'kafka' ? kafka(options) : BROKER === 'aws' ? aws(options) : BROKER_URL,
    }),
  ],
  AppModule,
);
Reflect.defineMetadata('providers', [Handler], AppModule);

const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
app.enableShutdownHooks();
process.stdout.write('ready\n');
