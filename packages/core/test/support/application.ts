import 'reflect-metadata';
import { afterEach } from '@jest/globals';
import {
  Module,
  type DynamicModule,
  type INestApplicationContext,
  type ModuleMetadata,
} from '@nestjs/common';
import { Test, type TestingModule } from '@nestjs/testing';
import { DeadLetters, EventBus, MessagingModule, type MessagingModuleOptions } from '@nest-messaging/core';
import type { EngineEvent } from '@nest-messaging/core/engine';
import { TEST_SEAMS } from '../../src/nest/index.js';

@Module({})
class Watching {
  static with(observe: (event: EngineEvent) => void): DynamicModule {
    const seams = { provide: TEST_SEAMS, useValue: { observe } };
    return { module: Watching, global: true, providers: [seams], exports: [seams] };
  }
}

/** A running application, and what happens in it. */
export interface Running {
  readonly app: INestApplicationContext;
  readonly bus: EventBus;
  readonly deadLetters: DeadLetters;
  readonly events: readonly EngineEvent[];
  /** Resolves with the first event, past or to come, that fits. */
  until<Type extends EngineEvent['type']>(
    type: Type,
    fits?: (event: Extract<EngineEvent, { type: Type }>) => boolean,
  ): Promise<Extract<EngineEvent, { type: Type }>>;
}

const running = new Set<INestApplicationContext>();

/** Closes once: Nest would run the hooks again. */
export async function stop(app: INestApplicationContext): Promise<void> {
  if (running.delete(app)) await app.close();
}

afterEach(async () => {
  await Promise.all([...running].map(stop));
});

const silent = (): void => undefined;

/** Retries without waiting. */
export const AT_ONCE = { backoff: { initial: 1, max: 1 } } as const;

export function compile(
  { imports = [], ...metadata }: ModuleMetadata,
  options: MessagingModuleOptions = { service: 'shop' },
  observe: (event: EngineEvent) => void = () => undefined,
): Promise<TestingModule> {
  return Test.createTestingModule({
    imports: [Watching.with(observe), MessagingModule.forRoot(options), ...imports],
    ...metadata,
  })
    .setLogger({ log: silent, warn: silent, error: silent })
    .compile();
}

export async function start(metadata: ModuleMetadata, options?: MessagingModuleOptions): Promise<Running> {
  const events: EngineEvent[] = [];
  const waiting = new Set<() => void>();
  const app = await compile(metadata, options, (event) => {
    events.push(event);
    waiting.forEach((look) => look());
  });
  running.add(app);
  await app.init();
  return {
    app,
    bus: app.get(EventBus),
    deadLetters: app.get(DeadLetters),
    events,
    until: (type, fits = () => true) =>
      new Promise((resolve) => {
        const look = (): void => {
          const found = events.find((event) => event.type === type && fits(event as never));
          if (!found) return;
          waiting.delete(look);
          resolve(found as never);
        };
        waiting.add(look);
        look();
      }),
  };
}

/** Provides each class in one application and answers its instances' common record. */
export function recorder(): { readonly calls: unknown[][]; record(...call: unknown[]): void } {
  const calls: unknown[][] = [];
  return { calls, record: (...call) => void calls.push(call) };
}

/** Asks again and again until the answer fits. The test's own time limit bounds it. */
export async function eventually<T>(ask: () => Promise<T>, fits: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask();
    if (fits(answer)) return answer;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
