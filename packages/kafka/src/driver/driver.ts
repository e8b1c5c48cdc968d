import type { ConnectionOptions as TlsOptions } from 'node:tls';
import type { Sasl } from '../options.js';
import type { DriverError } from './driver-error.js';

/**
 * What the transport asks of a Kafka client library: requests, one by one. Group membership, fetching, retries and
 * positions are the transport's own, so that every client behaves the same, and members with different clients share
 * a group. Every promise here rejects with a {@link DriverError}, within the request's time limit.
 */
export interface Driver {
  /**
   * Makes a client with connections of its own; opens none yet. The broker answers the requests of one connection in
   * their order, and holds back a fetch or a join for long: fetches go through another connection than the rest, and
   * each subscription has a client of its own, and so has each producer.
   */
  client(): Client;
}

/** Everything in milliseconds. */
export interface DriverOptions {
  /** `host:port` each. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  readonly tls?: TlsOptions;
  readonly sasl?: Sasl;
  readonly connectTimeout: number;
  /** Of each request; requests that the broker itself holds back have theirs on top. */
  readonly requestTimeout: number;
  /** The client library's own options, untouched; they win. */
  readonly vendor: Readonly<Record<string, unknown>>;
  /** A connection that was open has ended, and nobody had closed it. */
  readonly onDisconnect: (error?: unknown) => void;
}

/** What each driver's file exports, as `open`. @throws if the client library is not installed */
export type OpenDriver = (options: DriverOptions) => Promise<Driver>;

/** A record as it lies in its topic. */
export interface StoredRecord {
  readonly topic: string;
  readonly partition: number;
  /** Safe as a number: at a million messages a second it takes 285 years to 2⁵³. */
  readonly offset: number;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
  /** Bytes of key and value. */
  readonly size: number;
  readonly key: Buffer | null;
  /** `null` is a tombstone. */
  readonly value: Buffer | null;
  /** In their order; names may repeat. */
  readonly headers: readonly (readonly [name: string, value: Buffer | null])[];
  /** The same as text in UTF-8. */
  readonly texts: readonly (readonly [name: string, value: string | null])[];
  /** The client library's own message. */
  readonly raw: unknown;
}

/** A record on its way. */
export interface NewRecord {
  readonly topic: string;
  /** Left out: by the key's hash as the Java client does it (murmur2), and without a key any. */
  readonly partition?: number;
  readonly key: Buffer | null;
  readonly value: Buffer | null;
  /** In their order; text is written in UTF-8. */
  readonly headers: readonly (readonly [name: string, value: Buffer | string | null])[];
}

/** Under which records are written: the broker knows by it, and by a sequence of each partition, what it has already. */
export interface ProducerId {
  readonly id: bigint;
  readonly epoch: number;
}

export interface Partition {
  readonly topic: string;
  readonly partition: number;
}

/** Records of one partition as they are written, in Kafka's own format. */
export interface EncodedBatch extends Partition {
  readonly bytes: Buffer;
}

export interface Position extends Partition {
  readonly offset: number;
}

export interface CommittedPosition extends Position {
  /** What was said when it was committed. */
  readonly metadata: string;
}

/** From which version of a request to which a broker speaks it. */
export interface VersionRange {
  readonly minVersion: number;
  readonly maxVersion: number;
}

/** What a user may do with a resource, by Kafka's own names: those that the module needs. */
export type Operation = 'Read' | 'Write' | 'Create' | 'Delete' | 'Describe';

export interface NewTopic {
  readonly name: string;
  readonly partitions: number;
  /** -1 is the broker's default. */
  readonly replicas: number;
  readonly config: Readonly<Record<string, string>>;
}

/** What one partition answered to a fetch from its position. */
export interface Fetched extends Position {
  /** None of an aborted transaction, none that is the broker's own; at or behind the position. */
  readonly records: readonly StoredRecord[];
  /** The offset to fetch from next: beyond what was left out, too. */
  readonly next: number;
  /** The offset behind the last record that consumers may see; -1 where the broker told none. */
  readonly end: number;
  readonly error?: DriverError;
  /** Batches that are left out because they cannot be held, and another fetch would find the same. */
  readonly passedOver?: readonly DriverError[];
}

export interface FetchLimits {
  /** How long the broker may hold the request back while there is nothing. */
  readonly maxWait: number;
  /** Bytes of the whole answer; the first record comes even if it is larger. */
  readonly maxBytes: number;
  readonly maxBytesPerPartition: number;
}

export interface JoinRequest {
  readonly group: string;
  /** `''` for a new member. */
  readonly memberId: string;
  /** How long without a heartbeat until the broker takes the member for dead. */
  readonly sessionTimeout: number;
  /** How long the broker waits for the other members. */
  readonly rebalanceTimeout: number;
  readonly protocol: string;
  readonly metadata: Buffer;
  /** Called with the id that the broker gives a new member before it lets it join: under it, it can leave again. */
  readonly named?: (memberId: string) => void;
}

export interface Joined {
  readonly memberId: string;
  readonly generation: number;
  /** For the leader alone: everybody and their metadata. Empty for the others. */
  readonly members: readonly { readonly memberId: string; readonly metadata: Buffer }[];
}

/** Who commits, heartbeats or leaves. Generation -1 and member `''` commit to a group without members. */
export interface Membership {
  readonly group: string;
  readonly memberId: string;
  readonly generation: number;
}

export interface Client {
  connect(): Promise<void>;
  /** At once: requests under way reject. Safe to call twice. */
  close(): Promise<void>;

  /** One small request to whichever broker is reached. */
  ping(): Promise<void>;
  /** What the broker that is reached speaks, by the number of each request. */
  versions(): Promise<ReadonlyMap<number, VersionRange>>;
  /** All there are, internal ones included. */
  topics(): Promise<string[]>;
  /** The leader's node id for each partition in its order, -1 where there is none, of those topics that exist. Fresh. */
  leaders(topics: readonly string[]): Promise<Map<string, number[]>>;
  /** Answers in the same order; that it exists already is no error. Resolves once they can be produced to. */
  createTopics(topics: readonly NewTopic[]): Promise<readonly (DriverError | undefined)[]>;
  /** Answers as `createTopics` would, and creates none. */
  tryTopics(topics: readonly NewTopic[]): Promise<readonly (DriverError | undefined)[]>;
  /** What the user may do with each of these, whether they exist or not; nothing with those that he may not see. */
  topicOperations(topics: readonly string[]): Promise<ReadonlyMap<string, readonly Operation[]>>;
  /**
   * What these settings are for each of the topics, the broker's defaults included. Those are missing that do not exist,
   * or whose settings the user may not see.
   */
  settings(
    topics: readonly string[],
    names: readonly string[],
  ): Promise<ReadonlyMap<string, Readonly<Record<string, string>>>>;
  /**
   * An offset for each partition in its order: the first that is kept, the one behind the last, or the first whose
   * timestamp is at or after the given one (the end, where there is none).
   */
  offsets(topic: string, at: 'earliest' | 'latest' | number): Promise<number[]>;
  /** Deletes the records before the given offsets; what is gone already is no error. */
  deleteRecords(before: readonly Position[]): Promise<void>;
  /** A new one, under which nobody else writes; for no transactions. */
  producerId(): Promise<ProducerId>;
  /**
   * Writes batches, each of another partition, all led by this node, in one request and with `acks=all`. Answers in the
   * same order: `undefined` is durably written. When it rejects, each may have been written or not, but nothing is sent
   * once the time is up.
   * @param timeout where it is shorter than the request's own limit
   */
  produce(
    node: number,
    batches: readonly EncodedBatch[],
    timeout: number,
  ): Promise<readonly (DriverError | undefined)[]>;
  /** Of the partitions that this node leads. A failure of one partition is told in its answer. */
  fetch(node: number, positions: readonly Position[], limits: FetchLimits): Promise<readonly Fetched[]>;

  join(request: JoinRequest): Promise<Joined>;
  /** The leader gives everybody's assignment, the others nothing; answers one's own. */
  sync(
    membership: Membership & { readonly protocol: string },
    assignments: ReadonlyMap<string, Buffer>,
  ): Promise<Buffer>;
  heartbeat(membership: Membership): Promise<void>;
  leave(membership: Membership): Promise<void>;
  /** How many members the group has now. */
  members(group: string): Promise<number>;
  /** What the user may do with it, whether it exists or not; nothing, where he may not see it. */
  groupOperations(group: string): Promise<readonly Operation[]>;
  /** What was committed for these topics; partitions without a commit are missing. */
  committed(group: string, topics: readonly string[]): Promise<CommittedPosition[]>;
  /** Answers in the same order: `undefined` is kept. */
  commit(
    membership: Membership,
    positions: readonly (Position & { readonly metadata?: string })[],
  ): Promise<readonly (DriverError | undefined)[]>;
  /** Forgets a group without members. That there is none is no error. */
  deleteGroup(group: string): Promise<void>;
}
