import {
  Module,
  type BeforeApplicationShutdown,
  type DynamicModule,
  type INestApplicationContext,
} from '@nestjs/common';
import { MessagingModule } from '@nest-messaging/core';
import { openTelemetry } from '@nest-messaging/opentelemetry';
import { JournalModule } from './journal/journal.module.js';
import { SERVICES, type Service } from './services.js';
import { readSettings, type Settings } from './settings.js';

/** The whole shop, or some of its services. Which of them share a process is said here alone. */
@Module({})
export class ShopModule implements BeforeApplicationShutdown {
  /** Applications of the same process that close with this one. */
  readonly companions: INestApplicationContext[] = [];

  static of(services: readonly Service[] | undefined, settings: Settings): DynamicModule {
    const { broker, namespace, metricsPort } = settings;
    const telemetry = metricsPort === undefined ? undefined : openTelemetry();
    return {
      module: ShopModule,
      imports: [
        MessagingModule.forRoot({
          service: services?.join('-') ?? 'shop',
          broker,
          namespace,
          telemetry,
        }),
        JournalModule,
        ...(services?.map((name) => SERVICES[name]) ?? Object.values(SERVICES)),
      ],
    };
  }

  async beforeApplicationShutdown(): Promise<void> {
    await Promise.all(this.companions.map((application) => application.close()));
  }
}

/** The whole shop, for the command line: `npx nest-messaging explain --app sample-app/dist/shop.module.js#shop`. */
export const shop = (): DynamicModule => {
  const settings = readSettings([]);
  return ShopModule.of(settings.services, settings);
};
