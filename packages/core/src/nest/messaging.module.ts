import {
  ConfigurableModuleBuilder,
  Inject,
  Logger,
  Module,
  type ConfigurableModuleAsyncOptions,
  type DynamicModule,
  type OnApplicationBootstrap,
  type OnApplicationShutdown,
  type OnModuleDestroy,
  type OnModuleInit,
  type Provider,
} from '@nestjs/common';
import { ExternalContextCreator, ModulesContainer } from '@nestjs/core';
import { ConfigurationError, milliseconds } from '../contract/index.js';
import { DeadLetters } from './dead-letters.js';
import { EventBus, getEventBusToken } from './event-bus.js';
import { createLifecycle, type Lifecycle } from './lifecycle.js';
import { logEvent } from './log.js';
import { MessagingFeatureModule, type MessagingFeatureOptions } from './messaging-feature.module.js';
import { MessagingEvents } from './messaging-events.js';
import { MessagingExplorer } from './messaging-explorer.js';
import { MessagingHealth } from './messaging-health.js';
import { checkModuleOptions, type MessagingModuleOptions } from './module-options.js';
import { inPlaceOf } from './retired.js';
import { Subscriptions } from './subscriptions.js';
import { DEFAULT_CONNECTION, DEFAULT_SERVICE, openEngines, type Engines } from './runtime.js';
import { ENGINES, EXPLORER, LIFECYCLE, OPTIONS, TEST_SEAMS, type TestSeams } from './tokens.js';

interface Extras {
  /**
   * Whether every module of the application can inject the bus.
   * @default true
   */
  readonly isGlobal?: boolean;
}

const { ConfigurableModuleClass } = new ConfigurableModuleBuilder<MessagingModuleOptions>({
  optionsInjectionToken: OPTIONS,
})
  .setClassMethodName('forRoot')
  .setFactoryMethodName('createMessagingOptions')
  .setExtras<Extras>({ isGlobal: true }, (definition, { isGlobal }) => ({ ...definition, global: isGlobal }))
  .build();

/** Implemented by the class given as `useClass` or `useExisting`. */
export interface MessagingOptionsFactory {
  createMessagingOptions(): MessagingModuleOptions | Promise<MessagingModuleOptions>;
}

export type MessagingModuleAsyncOptions = ConfigurableModuleAsyncOptions<
  MessagingModuleOptions,
  'createMessagingOptions'
> &
  Extras & {
    /** Names of the connections that the factory's options hold: Nest must know what can be injected before it runs. */
    readonly connections?: readonly string[];
  };

function setDistance(modules: ModulesContainer, type: Function, distance: number): void {
  for (const module of modules.values()) if (module.metatype === type) module.distance = distance;
}

/**
 * Holds the connections. Nest calls the hooks of distant modules first at start and last at shutdown; this one stands
 * nearer than any, so that handlers begin after, and end before, everything they may use.
 *
 * @internal
 */
@Module({})
export class MessagingConnectionsModule implements OnApplicationBootstrap, OnModuleDestroy {
  constructor(
    @Inject(LIFECYCLE) private readonly lifecycle: Lifecycle,
    modules: ModulesContainer,
  ) {
    setDistance(modules, MessagingConnectionsModule, -1);
  }

  onApplicationBootstrap(): void {
    this.lifecycle.open();
  }

  async onModuleDestroy(): Promise<void> {
    await this.lifecycle.drain();
  }
}

/**
 * Messaging for the whole application. Imported once, in the root module; its `EventBus` can be injected everywhere.
 *
 * At start it connects and subscribes before any other module's `onModuleInit`, so that publishing works in all of
 * them, and lets handlers run once all are ready. At shutdown handlers end before any other module is destroyed, and
 * publishing works until HTTP has closed.
 */
@Module({})
export class MessagingModule extends ConfigurableModuleClass implements OnModuleInit, OnApplicationShutdown {
  constructor(
    @Inject(LIFECYCLE) private readonly lifecycle: Lifecycle,
    modules: ModulesContainer,
  ) {
    super();
    if ([...modules.values()].filter(({ metatype }) => metatype === MessagingModule).length > 1)
      throw new ConfigurationError(
        'MessagingModule.forRoot is imported twice: each handler would run twice; import it once, in the root module, and name further brokers in connections',
      );
    setDistance(modules, MessagingModule, Number.POSITIVE_INFINITY);
  }

  /** @throws {ConfigurationError} when the application starts, if an option is unknown or its value unusable */
  static override forRoot(options: MessagingModuleOptions & Extras = {}): DynamicModule {
    return compose(super.forRoot(options), Object.keys(options.connections ?? {}));
  }

  /** As {@link forRoot}, with options that other providers make. */
  static override forRootAsync({ connections = [], ...options }: MessagingModuleAsyncOptions): DynamicModule {
    return compose(super.forRootAsync(options), connections);
  }

  /** Imported in a Nest module: its handlers' default group, so that it can become a service of its own later. */
  static forFeature(options: MessagingFeatureOptions): DynamicModule {
    return MessagingFeatureModule.for(options);
  }

  async onModuleInit(): Promise<void> {
    await this.lifecycle.start();
  }

  async onApplicationShutdown(): Promise<void> {
    await this.lifecycle.close();
  }
}

function busProvider(connection: string | undefined): Provider {
  return {
    provide: getEventBusToken(connection),
    inject: [ENGINES],
    useFactory: (engines: Engines) => new EventBus(engines.get(connection ?? DEFAULT_CONNECTION)!),
  };
}

const retiredOf = ({ retired = [], service = DEFAULT_SERVICE }: MessagingModuleOptions) =>
  retired.map((each) => inPlaceOf(each, service));

/** The outer module starts first and closes last; the inner one has all else. */
function compose(
  { global, imports, providers = [] }: DynamicModule,
  connections: readonly string[],
): DynamicModule {
  const buses = [undefined, ...connections].map(busProvider);
  const connectionsModule: DynamicModule = {
    module: MessagingConnectionsModule,
    imports,
    providers: [
      ...providers,
      { provide: MessagingEvents, useFactory: () => new MessagingEvents() },
      {
        provide: ENGINES,
        inject: [OPTIONS, MessagingEvents, { token: TEST_SEAMS, optional: true }],
        useFactory: (options: unknown, events: MessagingEvents, seams?: TestSeams): Promise<Engines> => {
          const logger = new Logger('Messaging');
          return openEngines(
            checkModuleOptions(options),
            connections,
            (connection) => [
              (event) => logEvent(logger, connection, event),
              events.observerOf(connection),
              ...(seams?.observe ? [seams.observe] : []),
            ],
            seams,
          );
        },
      },
      {
        provide: LIFECYCLE,
        inject: [ENGINES, OPTIONS, ModulesContainer, ExternalContextCreator, MessagingExplorer],
        useFactory: (
          engines: Engines,
          options: MessagingModuleOptions,
          modules: ModulesContainer,
          nest: ExternalContextCreator,
          explorer: MessagingExplorer,
        ): Lifecycle =>
          createLifecycle(
            engines,
            modules,
            nest,
            new Logger('Messaging'),
            milliseconds(options.drainTimeout ?? '25s'),
            retiredOf(options),
            explorer,
          ),
      },
      ...buses,
      {
        provide: DeadLetters,
        inject: [ENGINES, OPTIONS],
        useFactory: (engines: Engines, { service = DEFAULT_SERVICE }: MessagingModuleOptions) =>
          new DeadLetters(engines, service),
      },
      {
        provide: Subscriptions,
        inject: [ENGINES, OPTIONS],
        useFactory: (engines: Engines, { service = DEFAULT_SERVICE }: MessagingModuleOptions) =>
          new Subscriptions(engines, service),
      },
      {
        provide: MessagingHealth,
        inject: [ENGINES],
        useFactory: (engines: Engines) => new MessagingHealth(engines),
      },
      {
        provide: MessagingExplorer,
        inject: [ENGINES, OPTIONS, ModulesContainer],
        useFactory: (engines: Engines, options: MessagingModuleOptions, modules: ModulesContainer) =>
          new MessagingExplorer(engines, options, modules, retiredOf(options)),
      },
      { provide: EXPLORER, useExisting: MessagingExplorer },
    ],
    exports: [
      ENGINES,
      LIFECYCLE,
      DeadLetters,
      Subscriptions,
      MessagingEvents,
      MessagingHealth,
      MessagingExplorer,
      EXPLORER,
      ...buses.map((bus) => (bus as { provide: string }).provide),
    ],
  };
  return { module: MessagingModule, global, imports: [connectionsModule], exports: [connectionsModule] };
}
