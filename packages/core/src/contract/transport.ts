import type { Clock } from './clock.js';
import type { DeadLetterStore } from './dead-letter-store.js';
import type { ExaminationOptions, Finding } from './examination.js';
import type { Destination, Message, OutgoingMessage } from './message.js';
import type { Planner, Usage } from './plan.js';
import type { Settlement } from './settlement.js';

/** How a broker serves a need: by its own means, by the transport's emulation, or not at all. */
export type Support = 'native' | 'emulated' | false;

/** What a broker can do. The engine refuses at start-up what a handler needs and this lacks. */
export interface Capabilities {
  /** What was accepted survives the broker's restart. */
  readonly durable: boolean;
  /** Per-key order for `ordered` subscriptions. */
  readonly ordered: Support;
  /** Order can be had only where publishers know of it: the contract must be declared `ordered`. */
  readonly orderedByContractOnly?: boolean;
  /** Longest delay of a publish or a retry, in milliseconds; 0 where there is none. */
  readonly maxDelay: number;
  /** Topic patterns with `*` and `#`. */
  readonly patterns: Support;
  /** Subscriptions of one process alone. */
  readonly broadcast: Support;
  /** Longest time a delivery may stay unsettled, in milliseconds: bounds time-outs and retries in place. */
  readonly maxHold: number;
  /** Largest body, in bytes. */
  readonly maxBodySize: number;
  /** The broker counts deliveries, so that a message that kills its process can be set aside. */
  readonly countsDeliveries: boolean;
  /** What a subscription has settled is kept for a time, and can be delivered to it again. */
  readonly replay: Support;
}

/** Whether the module may create what is missing on the broker, only check it, or neither. */
export type Topology = 'create' | 'validate' | 'none';

/** What a transport is told about the application it serves. */
export interface Environment {
  /** The connection's name in the module's configuration, for messages to people. */
  readonly connection: string;
  readonly service: string;
  readonly namespace?: string;
  readonly topology: Topology;
  /** Time limit of `connect` and of each `subscribe`, in milliseconds. */
  readonly connectTimeout: number;
  readonly clock: Clock;
  /** Tells the module what happened to the connection and what could not be carried out. Never throws. */
  readonly report: (event: TransportEvent) => void;
}

/** What a transport tells of by itself. */
export type TransportEvent =
  | { readonly type: 'connected'; readonly to: string }
  | { readonly type: 'disconnected'; readonly from: string; readonly error?: unknown }
  | { readonly type: 'blocked'; readonly reason: string }
  | { readonly type: 'unblocked' }
  /** A settlement could not be carried out; the message stays with the broker and comes again. */
  | {
      readonly type: 'settlement-failed';
      readonly settlement: Settlement['type'];
      readonly subscription: string;
      readonly group: string;
      readonly messageId: string;
      /** The message's own. */
      readonly destination: Destination;
      /** That of the delivery. */
      readonly attempt: number;
      readonly error: unknown;
    }
  /**
   * Some messages will never be handed over, and `message` says which and why: those of a subscription, or what waited
   * with a delay.
   */
  | {
      readonly type: 'gap';
      readonly subscription?: string;
      readonly message: string;
      readonly error?: unknown;
    }
  /** Something the operator should know that is no failure of a message. */
  | { readonly type: 'warning'; readonly message: string; readonly error?: unknown };

/** One group's interest in one topic or pattern, or in one queue. */
export interface Subscription {
  /** A topic, a pattern (`*` one word, `#` any number of words), or a queue. */
  readonly source: Destination;
  /** The processes that share the work. A queue has one group for all its workers. */
  readonly group: string;
  /** Deliveries of one key are handed over in the order they were published. */
  readonly ordered: boolean;
  /** Of this process alone, from now on, gone with it; has no dead letters. */
  readonly broadcast: boolean;
  /** No more deliveries than this are handed over and unsettled at a time. */
  readonly maxUnsettled: number;
  /** What the handler gave under the transport's own name; only that transport reads it. */
  readonly brokerOptions?: unknown;
}

/** One hand-over of a message to a subscription. */
export interface Delivery {
  readonly message: Message;
  /** Failures of the handler so far + 1. Crashes, releases and reconnects do not count. */
  readonly attempt: number;
  /** How often a process died while it handled this message alone; 0 where the broker does not count. */
  readonly deaths: number;
  /**
   * The broker client's own message, for what only it can tell. It may be made when it is asked for, by a getter of a
   * prototype: whoever copies a delivery asks for it.
   */
  readonly raw: unknown;
  /**
   * Aborts when it is to go to another process soon: what has not begun is released, and so is what waits between two
   * attempts; what runs may end. Left out where a broker moves nothing.
   */
  readonly leaving?: AbortSignal;
  /**
   * Aborts when another process may have it already: what runs is told by its context's signal, and nothing of it
   * begins any more. Its settlement may be of no effect. Left out where the broker does not tell.
   */
  readonly lost?: AbortSignal;
}

/** Never rejects: whatever the handler does becomes a settlement. */
export type DeliveryHandler = (delivery: Delivery) => Promise<Settlement>;

/** A running subscription. */
export interface Consumer {
  /**
   * Stops taking at once. Resolves when each delivery handed over before has its settlement carried out.
   * Safe to call twice.
   */
  stop(): Promise<void>;
  /**
   * From now on no more than so many are handed over and unsettled at a time. Returns nothing and interrupts nothing:
   * what is in hand beyond it ends as it would. Never throws. Left out where that cannot be changed: then the consumer
   * is stopped, and another begins.
   */
  resize?(maxUnsettled: number): void;
}

/** Why a connection or subscription was not ready when it last was not, be that over or not. */
export interface LastError {
  /** In words, without a secret or a payload. */
  readonly message: string;
  /** When it was seen first, in milliseconds since 1970. */
  readonly at: number;
}

/** State of one connection or subscription. */
export interface HealthPart {
  readonly name: string;
  readonly ready: boolean;
  /** Why it is not ready, or is paused. */
  readonly reason?: string;
  /** Nothing is tried any more: it does not come back by itself. */
  readonly gaveUp?: boolean;
  /** This process was told to take nothing of it; it is ready nevertheless. The engine's to say: no transport knows. */
  readonly paused?: boolean;
  /** Since when it is ready, not ready or paused, in milliseconds since 1970. The engine's to say, as it sees it. */
  readonly since?: number;
  /** The engine's to say. */
  readonly lastError?: LastError;
  /** Messages of the subscription that are not settled yet, where the broker tells it. */
  readonly lag?: number;
}

/** Ready only if every part is. */
export interface Health {
  readonly ready: boolean;
  readonly parts: readonly HealthPart[];
}

/** Names a subscription that outlives its processes. */
export type SubscriptionId = Pick<Subscription, 'source' | 'group'>;

/** Carries messages over one broker. Every sentence here has a test in the conformance suite. */
export interface Transport {
  readonly name: string;
  readonly capabilities: Capabilities;
  /**
   * What it would make on the broker: `subscribe` and `publish` make that and nothing else. Before `connect`, too, and
   * the same for every process of the application.
   */
  readonly planner: Planner;
  /**
   * Connects within `connectTimeout` or rejects with an error that names the address and no credential.
   * Afterwards the transport reconnects by itself, with backoff and jitter, and restores its consumers.
   */
  connect(): Promise<void>;
  /**
   * Resolves once the broker has durably accepted the message, and every subscription that exists gets it.
   * Waits while the broker is away. Once `signal` aborts it rejects with the signal's reason, and sends nothing
   * that was not sent before; calls that began together may share a signal, and by its reason, passed on as it is, the
   * engine tells its own time limit from a caller who gave up. Concurrent calls may share a request; each settles by
   * itself. Until it has resolved, the message's bytes and headers are the transport's.
   */
  publish(message: OutgoingMessage, signal: AbortSignal): Promise<void>;
  /** Resolves once messages published from now on will be delivered. Refuses unusable `brokerOptions`. */
  subscribe(subscription: Subscription, handle: DeliveryHandler): Promise<Consumer>;
  /**
   * Makes what the planner plans for these, where `topology` is `create`, and takes no message: what is published from
   * now on waits for its first handler. Broadcasts have nothing that could wait.
   * @throws {TopologyError} if one is incompatible or forbidden
   */
  establish(usage: Usage): Promise<void>;
  /**
   * Looks whether all that these need is there and as it should be, and what is there besides of subscriptions that none
   * of these is, as far as the broker tells. Makes nothing, and takes no message.
   */
  examine(usage: Usage, options?: ExaminationOptions): Promise<readonly Finding[]>;
  /**
   * Carries out settlements already decided, closes, and leaves what is unsettled to the broker, to be delivered
   * again. Safe to call twice. Publishes still waiting reject.
   */
  close(): Promise<void>;
  /** Asks no broker, and answers at once. */
  health(): Promise<Health>;
  /**
   * How many messages of the subscription wait on the broker for any process of its group; never of a broadcast. What
   * is in hand, was settled a moment ago, or failed and is to come again, may be counted or not. Left out where the
   * broker does not tell.
   */
  backlog?(subscription: Subscription): Promise<number>;
  readonly deadLetters: DeadLetterStore;
  /**
   * Sets the subscription back to what was published at `from` (milliseconds since 1970), or to the beginning: all
   * that the broker has kept since then is delivered again, at its first attempt, to this subscription alone, from when
   * this has resolved. Back and never forward: nothing that is still unsettled is skipped. Only while none of its
   * consumers runs, in any process. There if `capabilities.replay` is.
   * @throws {TopologyError} naming what runs, or that there is no such subscription; then nothing has changed
   */
  replay?(subscription: SubscriptionId, from: 'beginning' | number): Promise<void>;
}

/** A broker chosen by configuration: a name and how to open a transport to it. A value; nothing is connected yet. */
export interface Broker {
  readonly name: string;
  /** Called for each application and connection. Checks its options; connects nothing. */
  open(environment: Environment): Transport;
}

/** What a transport package exports under its own name, such as `rabbitmq`: makes a broker of options or of a URL. */
export interface BrokerFactory<Options = never> {
  (options: Options): Broker;
  /** URL schemes it understands, without the colon. */
  readonly schemes: readonly string[];
  fromUrl(url: string): Broker;
}
