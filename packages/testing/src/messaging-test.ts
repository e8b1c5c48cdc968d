import { Module, type DynamicModule } from '@nestjs/common';
import { ModuleRef } from '@nestjs/core';
import {
  ConfigurationError,
  DeadLetters,
  memory,
  type Broker,
  type ShownDeadLetter,
  type SubscriptionSource,
  type EventContract,
} from '@nest-messaging/core';
import type { Destination, Message } from '@nest-messaging/core/contract';
import type { EngineEvent } from '@nest-messaging/core/engine';
import { realDelay, turns, virtualClock, type VirtualClock } from './virtual-clock.js';

/** What the application published, once the broker had it. */
export interface PublishedMessage<Payload = unknown> extends Pick<
  Message,
  'id' | 'headers' | 'key' | 'correlationId' | 'causationId' | 'expiresAt'
> {
  /** The topic or queue it went to. */
  readonly to: Destination;
  /** As the application gave it. */
  readonly payload: Payload;
}

/** A dead letter with its payload; `undefined` where the body is no JSON. */
export type DeadLetterSeen = ShownDeadLetter & { readonly payload: unknown };

/** What a test sees of an application's messaging, and how it makes time pass. Made by {@link messagingTest}. */
export interface MessagingTest {
  /** Import it into the testing module, beside the application's own modules. */
  readonly module: DynamicModule;
  /** The application's time: it stands still but for this. */
  readonly clock: VirtualClock;
  /**
   * Resolves when everything published has been handled to its end, and what that published too. Time jumps from each
   * retry or delayed message to the next, so that minutes take none; handlers that wait for something real are waited
   * for.
   *
   * @param within real milliseconds; by default 5000. Then it rejects and names the handlers that still run: move
   * `clock` to let their time-outs pass. Or it says that timers come again and again, and names circuits that stay open.
   */
  settled(within?: number): Promise<void>;
  /** What was published so far, oldest first: all, or what went to one topic or queue. */
  published(): readonly PublishedMessage[];
  published<In>(contract: EventContract<In, any>): readonly PublishedMessage<In>[];
  published(topicOrQueue: string): readonly PublishedMessage[];
  /** Forgets what was published so far, for the next test on the same application. */
  forget(): void;
  /** The dead letters of one subscription, oldest first. */
  deadLetters(source: SubscriptionSource): Promise<DeadLetterSeen[]>;
}

/** As `@nest-messaging/core` asks for it. */
const TEST_SEAMS = Symbol.for('nest-messaging:test-seams');

/** Carries the harness into the application. */
@Module({})
class MessagingTestModule {}

/**
 * Runs an application's messaging on memory, whatever brokers it is configured for, watches it and makes its time pass.
 *
 * @example
 * const messaging = messagingTest();
 * const module = await Test.createTestingModule({ imports: [messaging.module, AppModule] }).compile();
 * await module.init();
 */
export function messagingTest(): MessagingTest {
  const clock = virtualClock();
  const published: PublishedMessage[] = [];
  const running = new Map<string, number>();
  const openCircuits = new Set<string>();
  let moduleRef: ModuleRef | undefined;
  /** Grows with all that happens, so that one can see that nothing does. */
  let happened = 0;

  const observe = (event: EngineEvent): void => {
    happened++;
    switch (event.type) {
      case 'published':
        published.push(seen(event.message, event.payload));
        return;
      case 'attempted': {
        const handling = nameOf(event.message.destination.name, event.group, event.message.id);
        running.set(handling, (running.get(handling) ?? 0) + 1);
        return;
      }
      case 'handled':
      case 'retried':
      case 'dead-lettered':
      case 'discarded':
      case 'released': {
        const handling = nameOf(event.message.destination.name, event.group, event.message.id);
        const left = (running.get(handling) ?? 1) - 1;
        if (left > 0) running.set(handling, left);
        else running.delete(handling);
        return;
      }
      case 'circuit-opened':
        openCircuits.add(event.subscription);
        return;
      case 'circuit-closed':
        openCircuits.delete(event.subscription);
    }
  };

  /** Each connection's own: they are as apart as its brokers are. */
  const brokers = new Map<string, Broker>();
  const broker = (connection: string): Broker => {
    const own = brokers.get(connection) ?? memory();
    brokers.set(connection, own);
    return own;
  };

  /** Waits until no handler runs and nothing happens any more without time passing. */
  const quiet = async (deadline: number): Promise<void> => {
    for (;;) {
      const before = happened;
      await turns();
      if (running.size === 0 && happened === before) return;
      if (performance.now() > deadline) throw new Error(stillRunning([...running.keys()]));
      if (running.size > 0) await realDelay(1);
    }
  };

  /** @throws {ConfigurationError} where there is nothing to look at */
  const applicationOf = (): ModuleRef => {
    if (moduleRef) return moduleRef;
    throw new ConfigurationError(
      'messagingTest().module is in no compiled testing module: import it beside the application, and await compile()',
    );
  };

  return {
    clock,
    module: {
      module: MessagingTestModule,
      global: true,
      providers: [
        { provide: TEST_SEAMS, useValue: { clock, observe, broker } },
        {
          provide: 'nest-messaging:test',
          inject: [ModuleRef],
          useFactory: (ref: ModuleRef) => (moduleRef = ref),
        },
      ],
      exports: [TEST_SEAMS],
    },
    async settled(within = 5_000) {
      applicationOf();
      const deadline = performance.now() + within;
      for (;;) {
        await quiet(deadline);
        if (clock.nextAt === undefined) return;
        // Timers of which each sets the next leave all quiet in between, and never end.
        if (performance.now() > deadline) throw new Error(stillTimed([...openCircuits]));
        clock.advanceToNext();
      }
    },
    published: <In>(of?: string | EventContract<In, any>): readonly PublishedMessage<In>[] => {
      const name = typeof of === 'object' ? of.topic : of;
      return published.filter(({ to }) => name === undefined || to.name === name) as PublishedMessage<In>[];
    },
    forget() {
      published.length = 0;
    },
    async deadLetters(source) {
      const { letters } = await applicationOf()
        .get(DeadLetters, { strict: false })
        .list(source, { limit: Number.MAX_SAFE_INTEGER, payload: true });
      return letters.map((letter) => ({ ...letter, payload: payloadOf(letter.message.body) }));
    },
  };
}

function seen(message: Message, payload: unknown): PublishedMessage {
  const { id, destination, headers, key, correlationId, causationId, expiresAt } = message;
  return { id, to: destination, payload, headers, key, correlationId, causationId, expiresAt };
}

function payloadOf(body: Uint8Array = new Uint8Array()): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString()) as unknown;
  } catch {
    return undefined;
  }
}

const nameOf = (topic: string, group: string, id: string): string =>
  `'${topic}' in group '${group}' (message ${id})`;

function stillRunning(handlings: readonly string[]): string {
  return handlings.length === 0
    ? 'messages kept coming: does a handler publish what it handles?'
    : `still handled: ${handlings.join(', ')}; move the clock if a handler is meant to run into its time-out`;
}

function stillTimed(circuits: readonly string[]): string {
  return circuits.length === 0
    ? 'timers came again and again: does each delayed message bring the next one?'
    : `timers came again and again: the circuit of ${circuits.join(', ')} stays open, and is probed until it closes`;
}
