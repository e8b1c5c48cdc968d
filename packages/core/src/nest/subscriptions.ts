import * as v from 'valibot';
import { checkOptions, countSchema, milliseconds, timeoutSchema, type Duration } from '../contract/index.js';
import type { CircuitBreaker, SubscriptionState } from '../engine/index.js';
import { DEFAULT_CONNECTION, engineNamed, type Engines } from './runtime.js';
import { subscriptionOf, type SubscriptionSource } from './subscription-source.js';

export interface ReplayOptions {
  /** What was published since then is delivered again, as far as the broker has kept it; a moment that has passed. */
  readonly from: 'beginning' | Date;
}

const replaySchema: v.GenericSchema<ReplayOptions> = v.strictObject({
  from: v.custom<ReplayOptions['from']>(
    // An invalid date is no time at all, and so not before now either.
    (from) => from === 'beginning' || (from instanceof Date && from.getTime() <= Date.now()),
    "'beginning' or a date that has passed",
  ),
});

export interface CircuitOptions {
  /** Asks what handlers depend on whether it is there again: rejects, or throws, while it is not. */
  readonly probe: (signal: AbortSignal) => unknown;
  /**
   * How often the circuit is asked to let the probe through, which it does after a time of its own; and how long the
   * probe may take, until its signal aborts. A duration.
   * @default '5s'
   */
  readonly every?: Duration;
}

const circuitSchema: v.GenericSchema<CircuitOptions> = v.strictObject({
  probe: v.custom<CircuitOptions['probe']>((probe) => typeof probe === 'function', 'a function'),
  every: v.optional(timeoutSchema),
});

const breakerSchema = v.custom<CircuitBreaker>((breaker) => {
  const given = (breaker ?? {}) as Record<string, unknown>;
  return (
    ['onBreak', 'onReset', 'execute'].every((name) => typeof given[name] === 'function') &&
    ['number', 'undefined'].includes(typeof given['state'])
  );
}, 'a circuit breaker with onBreak, onReset and execute, and no state but a number, such as circuitBreaker(…) of cockatiel');

/** A subscription of this process, as it is now. Where it is no broadcast, it names itself for the other calls. */
export type SubscriptionInfo = SubscriptionSource &
  Pick<SubscriptionState, 'broadcast' | 'state' | 'concurrency'> & { readonly connection: string };

/**
 * What an operator does to subscriptions: pause and resume them in this process, change how much they handle at a time,
 * and have the broker deliver again what it has kept.
 *
 * Each call rejects with `ConfigurationError` where the connection or an option is unknown, and with `ClosedError`
 * before the application has started and once it shuts down. Not for a handler of the subscription itself: it would
 * wait for its own end.
 */
export class Subscriptions {
  readonly #engines: Engines;
  readonly #service: string;

  /** @internal */
  constructor(engines: Engines, service: string) {
    this.#engines = engines;
    this.#service = service;
  }

  /**
   * Takes nothing more of it in this process, until it is resumed or the process starts anew; others of the group go
   * on. Resolves when running handlers have ended and are settled; what waits for a batch or a retry in place goes back
   * to the broker. Health shows it as paused, and ready.
   * @throws {ConfigurationError} if no handler of this process has it
   */
  async pause(source: SubscriptionSource): Promise<void> {
    await this.#on(source).pause(subscriptionOf(source, this.#service));
  }

  /**
   * Takes messages again, from where the group is by then. Without effect where it was not paused.
   * @throws {ConfigurationError} if no handler of this process has it
   */
  async resume(source: SubscriptionSource): Promise<void> {
    await this.#on(source).resume(subscriptionOf(source, this.#service));
  }

  /**
   * Handles so many at a time from now on, or so many batches, until the process starts anew. Nothing is interrupted, and
   * what runs beyond it ends as it would.
   * @throws {ConfigurationError} if no handler of this process has it
   */
  async setConcurrency(source: SubscriptionSource, concurrency: number): Promise<void> {
    checkOptions(countSchema, concurrency, 'Subscriptions.setConcurrency concurrency');
    await this.#on(source).resize(subscriptionOf(source, this.#service), concurrency);
  }

  /**
   * Takes nothing more of it in this process while a circuit is open, as by `pause`, whoever else pauses it. A handler
   * that fails meanwhile has used up no attempt: its message goes back to the broker, unless it was `DeadLetter`,
   * `Discard` or what `retry.never` names. Since nobody calls what the circuit stands before, `probe` does, through the
   * circuit, until that closes. From `onModuleInit` on; answers what ends it.
   * @throws {ConfigurationError} if no handler of this process has it
   * @throws {ClosedError} before the application has started and once it shuts down
   */
  pauseWhileOpen(source: SubscriptionSource, breaker: CircuitBreaker, options: CircuitOptions): () => void {
    checkOptions(breakerSchema, breaker, 'Subscriptions.pauseWhileOpen breaker');
    const { probe, every = '5s' } = checkOptions(
      circuitSchema,
      options,
      'Subscriptions.pauseWhileOpen options',
    );
    return this.#on(source).pauseWhileOpen(subscriptionOf(source, this.#service), {
      breaker,
      probe,
      every: milliseconds(every),
    });
  }

  /** All that have a handler in this process, at any time. */
  list(): SubscriptionInfo[] {
    return [...this.#engines].flatMap(([connection, engine]) =>
      engine.subscriptions.list().map(({ source, group, ...state }) => ({
        ...(source.kind === 'queue' ? { queue: source.name } : { topic: source.name, group }),
        connection,
        ...state,
      })),
    );
  }

  /**
   * Delivers again to the group, to no other, what was published since `from`; nothing that is still to be handled is
   * skipped. This process's handler of it, if there is one, is paused for the time and goes on however this ends;
   * pause it in the group's other processes before.
   * @throws {UnsupportedError} if the broker keeps nothing that was settled
   * @throws {TopologyError} if the group still takes messages in another process, or there is no such subscription
   */
  async replay(source: SubscriptionSource, options: ReplayOptions): Promise<void> {
    const { from } = checkOptions(replaySchema, options, 'Subscriptions.replay options');
    await this.#on(source).replay(
      subscriptionOf(source, this.#service),
      from === 'beginning' ? from : from.getTime(),
    );
  }

  #on({ connection = DEFAULT_CONNECTION }: SubscriptionSource) {
    return engineNamed(this.#engines, connection, 'the subscription').subscriptions;
  }
}
