import type { SubscriptionId } from '@nest-messaging/core/contract';
import type { TestBroker } from '@nest-messaging/testing/conformance';
import type { BrokerConfig } from './application.js';
import type { Log } from './log.js';
import type { Way } from './network.js';

/** A broker in one version, or with one client: a column of the table of faults. */
export interface Ground {
  /** Of its file among the results. */
  readonly id: string;
  readonly name: string;
  /** Why nothing of it can run here. */
  readonly missing?: string | undefined;
  /** What cannot be done to it, and why. */
  readonly lacks: Partial<Readonly<Record<Need, string>>>;
  /** Starts a broker of the caller's own, and a network before it. */
  readonly start: () => Promise<Site>;
}

/** What a row does to a broker, beyond what it does to the network and to applications. */
export type Need =
  /** It runs elsewhere than the application, and keeps what it has. */
  | 'network'
  /** It can be killed and started again. */
  | 'restart'
  /** It counts how often a message was delivered. */
  | 'counts'
  /** A delivery ends by itself unless the process shows that it lives. */
  | 'expiry'
  /** Others than the module can publish. */
  | 'foreign'
  /** It is quick enough for ten thousand messages. */
  | 'bulk'
  /** It can refuse dead letters, and take all else. */
  | 'refusals'
  /** It keeps what was handled, with positions and replicas. */
  | 'log'
  /** It refuses a user what he has no right to. */
  | 'rights'
  /** Its clients can be told to speak TLS. */
  | 'tls'
  /** It can run short of memory, and then takes nothing from publishers. */
  | 'alarm'
  /** What the module makes can be there already, and not fit. */
  | 'conflict';

/** Has the dead letters of a subscription refused until what it answers is called. */
export type Refuse = (namespace: string, subscription: SubscriptionId) => Promise<() => Promise<void>>;

/** What a user is kept from, alone: to log in; to publish to topic `work`; to consume it; to make queue `fresh`. */
export type Deed = 'log in' | 'publish' | 'consume' | 'declare';

/** A user, and what he may do: of one namespace all, unless it is denied. */
export interface Rights {
  /** For applications of this user, by a way that is watched. */
  readonly broker: BrokerConfig;
  /** The same, with a wrong password. */
  readonly mistaken: BrokerConfig;
  /** What must not be seen. */
  readonly secrets: readonly string[];
  /** What can be denied while applications run. */
  readonly deeds: readonly Deed[];
  /** Resolves once it was said; a broker may take a moment to heed it. */
  readonly deny: (deed: Deed) => Promise<void>;
  /** Ends what was denied. */
  readonly grant: () => Promise<void>;
  /** Keeps him from setting messages aside, where the ground's own `refusals` cannot. */
  readonly forbidden?: Refuse;
  /** What applications of this user have asked of the broker so far. */
  readonly asked: () => { readonly connections: number; readonly packets: number };
  readonly end: () => Promise<void>;
}

/** A broker whose clients are told to speak TLS. */
export interface Tls {
  /** `host:port` where it does not speak it. */
  readonly plain: string;
  /** For applications that go to this host, and trust what this certificate signed. */
  readonly broker: (host: string, ca?: string) => BrokerConfig;
  readonly end: () => Promise<void>;
}

/** Something on the broker that does not fit what the module would make. */
export interface Conflict {
  readonly resource: string;
  /** What of it does not fit, in the broker's words. */
  readonly argument: string;
  readonly make: () => Promise<unknown>;
  /** All that is to be seen of it. */
  readonly look: () => Promise<unknown>;
  readonly remove: () => Promise<unknown>;
}

export interface Site {
  /** As the broker itself tells it. */
  readonly version: string;
  /** What it holds outlives a process. */
  readonly durable: boolean;
  /** It keeps the order of a key among several processes. */
  readonly ordered: boolean;
  /** For applications, with the network between. */
  readonly broker: BrokerConfig;
  /** The same broker, where nobody listens, with a secret that must not be seen. */
  readonly nowhere: (host: string) => { readonly broker: BrokerConfig; readonly secret: string };
  /** The same, past the network. */
  readonly direct: BrokerConfig;
  readonly network: Way;
  /** What the broker itself counts of its clients, by kind; left out where it tells nothing. */
  readonly clients?: () => Promise<Readonly<Record<string, number>>>;
  /** The same broker, for what the conformance suite shows. */
  readonly underTest: () => Promise<TestBroker> | TestBroker;
  readonly kill: () => Promise<void>;
  readonly stop: () => Promise<void>;
  /** After it was killed or stopped. Resolves once it serves. */
  readonly restart: () => Promise<void>;
  /** Resolves once what an application made outlives a kill. */
  readonly settled: (namespace: string) => Promise<void>;
  /** By what is wrong then. */
  readonly refusals: Readonly<Record<string, Refuse>>;
  /** What can be done to a log alone. */
  readonly log?: Log;
  readonly rights?: (namespace: string) => Promise<Rights>;
  /** @param port where TLS will be spoken for it */
  readonly tls?: (port: number) => Promise<Tls>;
  readonly alarm?: { readonly raise: () => Promise<unknown>; readonly clear: () => Promise<unknown> };
  /** With topic `work` of service `shop`. */
  readonly conflicts?: (namespace: string) => readonly Conflict[];
  readonly remove: () => Promise<void>;
}
