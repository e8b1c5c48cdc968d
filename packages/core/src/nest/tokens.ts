import type { Broker, Clock } from '../contract/index.js';
import type { Observer } from '../engine/index.js';

export const OPTIONS = Symbol('nest-messaging:options');
export const ENGINES = Symbol('nest-messaging:engines');
export const LIFECYCLE = Symbol('nest-messaging:lifecycle');

/** What a test harness may put in place; provided globally by it, absent in an application. */
export interface TestSeams {
  readonly clock?: Clock;
  /** What stands in for the broker of a connection. */
  readonly broker?: (connection: string) => Broker;
  readonly observe?: Observer;
}

/** `Symbol.for`, since the harness is another package. */
export const TEST_SEAMS = Symbol.for('nest-messaging:test-seams');

/** The `MessagingExplorer`; `Symbol.for`, since the command line may have come with another copy of this package. */
export const EXPLORER = Symbol.for('nest-messaging:explorer');
