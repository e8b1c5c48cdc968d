import 'reflect-metadata';
import type { INestApplicationContext, Type } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { EventBus, MessagingModule, type MessagingModuleOptions } from '@nest-messaging/core';
import { openTelemetry } from '@nest-messaging/opentelemetry';

export interface Running {
  readonly app: INestApplicationContext;
  readonly bus: EventBus;
  stop(): Promise<void>;
}

/** Retries without waiting. */
export const AT_ONCE = { backoff: { initial: 1, max: 1 } } as const;

/** An application on memory with these handlers, traced and measured. */
export async function start(
  handlers: readonly Type[],
  options: MessagingModuleOptions = {},
): Promise<Running> {
  class AppModule {}
  const messaging = MessagingModule.forRoot({ service: 'shop', telemetry: openTelemetry(), ...options });
  Reflect.defineMetadata('imports', [messaging], AppModule);
  Reflect.defineMetadata('providers', handlers, AppModule);
  const app = await NestFactory.createApplicationContext(AppModule, { logger: false, abortOnError: false });
  return { app, bus: app.get(EventBus), stop: () => app.close() };
}
