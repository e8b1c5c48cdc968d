import * as v from 'valibot';
import { checkOptions } from '../contract/index.js';
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

/**
 * What an operator does to subscriptions: pause and resume them in this process, and have the broker deliver again what
 * it has kept.
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
