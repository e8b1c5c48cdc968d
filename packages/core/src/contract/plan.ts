import type { Destination } from './message.js';
import type { Subscription, Support, Topology } from './transport.js';

/** Something on the broker that is there for an application. */
export interface PlannedResource {
  /** The broker's own word for it, such as `queue` or `exchange`. */
  readonly kind: string;
  /** `*` stands for what is made up when it is made. */
  readonly name: string;
  /** What it is made with, by the broker's own names. */
  readonly settings?: Readonly<Record<string, unknown>>;
  /**
   * When topology `create` makes it: with its subscription, or with the first message that needs it. `never` is
   * another's, and must be there.
   */
  readonly made: 'at start' | 'when needed' | 'never';
}

/** How a subscription gets what a handler may need. */
export interface Means {
  readonly support: Support;
  /** In a few words; where there is no support, what happens instead. */
  readonly how: string;
}

/**
 * What a handler may need of its broker: order by key, delays of retries, patterns, broadcast, and that a message which
 * kills its process is counted.
 */
export type Needed = 'ordered' | 'delays' | 'patterns' | 'broadcast' | 'deaths';

/** A subscription as it would be on the broker. */
export interface SubscriptionPlan {
  /** Under which an operator finds it there. */
  readonly name: string;
  readonly resources: readonly PlannedResource[];
  readonly means: Readonly<Record<Needed, Means>>;
}

/** How messages that are published with a delay are kept until they are due. */
export interface DelayPlan extends Means {
  /** What they pass. */
  readonly resources: readonly PlannedResource[];
}

/** What an application publishes to. */
export interface Publication {
  readonly destination: Destination;
  /** The contract declares order by key. */
  readonly ordered: boolean;
}

/** What an application does on a connection, as far as rights follow from it. */
export interface Usage {
  readonly subscriptions: readonly Subscription[];
  readonly publications: readonly Publication[];
  /** It publishes with delays. */
  readonly delays: boolean;
}

/** What a user of the broker must be allowed. */
export interface Rights {
  /** As the broker itself has it; JSON. */
  readonly granted: unknown;
  /** For whoever administers the broker: a command, or a policy to paste. */
  readonly grant: string;
}

/** Tells what a transport would make. Asks the broker nothing, and needs no connection. */
export interface Planner {
  /**
   * What `subscribe` makes, and how the broker serves it.
   * @throws what `subscribe` throws of the subscription before it asks the broker
   */
  subscription(subscription: Subscription): SubscriptionPlan;
  /** What a publish needs that is not delayed. @throws {ConfigurationError} if its name cannot be used */
  publication(publication: Publication): readonly PlannedResource[];
  /** The application's own delayed messages. */
  delays(): DelayPlan;
  /** The least rights for all of this, under each `topology`. */
  rights(usage: Usage, topology: Topology): Rights;
}
