import type { Message } from './message.js';

/** Where a measurement's messages go: a name that nothing else uses, on a broker. */
export interface Place {
  readonly url: string;
  readonly name: string;
}

export interface Publisher {
  /** Resolves when the broker has them, where the contestant's settings let that be known. As many as `batch` at most. */
  send(messages: readonly Message[]): Promise<unknown>;
  close(): Promise<unknown>;
}

export interface Consumer {
  close(): Promise<unknown>;
}

/** What one process has many of: subscriptions, each to a topic of its own, or topics that it publishes to. */
export interface Breadth {
  readonly of: 'subscriptions' | 'topics';
  readonly count: number;
  /** Messages that warm it up: as many whatever its count, or what has more would be compiled better. */
  readonly warm: number;
}

export type Handle = (message: Message) => Promise<void>;

/** One way to send and to handle messages. Each measurement of it runs in a process of its own. */
export interface Contestant {
  readonly name: string;
  /**
   * `ours`; `equal`: a peer, set to what ours gives (kept by the broker before a publish resolves, acknowledged after the
   * handler); `defaults`: a peer as it comes.
   */
  readonly safety: 'ours' | 'equal' | 'defaults';
  /** How it is set; of defaults also what they lose. */
  readonly says: string;
  /** Which of ours it stands beside, where there are several. @default the first */
  readonly beside?: string;
  /** Messages that one `send` takes. @default 1 */
  readonly batch?: number;
  /** Makes what it takes from. @default a consumer does, and closes */
  prepare?(place: Place): Promise<unknown>;
  publisher(place: Place): Promise<Publisher>;
  /** Makes what it takes from where that is missing; what was made stays when it closes. */
  consumer(place: Place, handle: Handle): Promise<Consumer>;
  /** Publishes and handles in one process, message by message to another of its topics. Ours alone. */
  broad?(place: Place, breadth: Breadth, handle: Handle): Promise<Publisher>;
}

/** Handlers that run at a time, with every contestant that can be told. */
export const HANDS = 100;
