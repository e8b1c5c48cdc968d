import type {
  Broker,
  Destination,
  Environment,
  Headers,
  PlannedResource,
  Subscription,
} from '@nest-messaging/core/contract';
import type { Engine, EngineOptions } from '@nest-messaging/core/engine';
import type { VirtualClock } from '../virtual-clock.js';

/** Something on the broker, whoever made it. */
export type Made = Pick<PlannedResource, 'kind' | 'name'>;

/** What a suite under test may be able to do to its broker from outside. */
export interface Hooks {
  /** The broker accepts nothing until the returned function is called: full, or away. */
  readonly stall: () => Promise<() => Promise<void>>;
  /** The broker cannot be reached until the returned function is called. */
  readonly away: () => Promise<() => Promise<void>>;
  /** Cuts every connection there is, without a word to either side; the broker can be reached again at once. */
  readonly cut: () => Promise<void>;
  /** Deletes the queue or the topic that a subscription takes its messages from. */
  readonly vanish: (subscription: Subscription, environment: Environment) => Promise<void>;
  /** Publishes as a producer that has never heard of the module. */
  readonly foreign: (destination: Destination, body: Uint8Array, headers?: Headers) => Promise<void>;
  /** Reads what was published, as a consumer that has never heard of the module: from now on, until it is stopped. */
  readonly listen: (topic: string, onBody: (body: Uint8Array) => void) => Promise<() => Promise<void>>;
  /** All that is on the broker whose name holds one of these, by the kinds and names of a transport's plan. */
  readonly made: (names: readonly string[]) => Promise<readonly Made[]>;
  /** A broker at an address where nothing listens. */
  readonly unreachable: {
    readonly broker: Broker;
    /** What the error must name: host and port. */
    readonly address: string;
    /** What the error must not name: the password in the URL. */
    readonly secret: string;
  };
}

export type Hook = keyof Hooks;

/** What the contract lets a transport leave out, and no capability tells of: members of `Transport` and of `Consumer`. */
export type Optional = 'backlog' | 'resize';

/** What one application of a test used, for whoever cleans up after it. */
export interface Used {
  readonly environment: Environment;
  readonly subscriptions: readonly Subscription[];
  readonly destinations: readonly Destination[];
}

/** A broker as the suite needs it. */
export interface TestBroker extends Partial<Hooks> {
  /** Each application of a test opens a transport of its own from it. */
  readonly broker: Broker;
  readonly environment?: Partial<Environment>;
  /** Time stands still but for the tests: for a broker that knows no other clock than its environment's. */
  readonly clock?: VirtualClock;
  /** How long a guarantee waits for what it observes, in milliseconds. @default 20_000 */
  readonly patience?: number;
  /** Another engine than the module's own: for proving that what the engine promises can be seen to fail. */
  readonly createEngine?: (options: EngineOptions) => Engine;
  /** Called when the guarantee has been shown or not, after every transport was closed. */
  readonly cleanup?: (used: readonly Used[]) => Promise<void>;
}
