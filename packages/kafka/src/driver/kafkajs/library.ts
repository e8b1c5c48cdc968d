import type { ISocketFactoryArgs, Kafka, KafkaConfig } from 'kafkajs';
import type { Socket } from 'node:net';
import type { VersionRange } from '../driver.js';
import { DriverError } from '../driver-error.js';

/*
 * What is used of kafkajs beneath its producer, consumer and admin, which bring membership, retries and caches of their
 * own. Its types leave most of this out. kafkajs has not changed since 2.2.4 of February 2023; `brokerDoor` refuses at
 * once what looks different.
 */

/** A request as kafkajs's protocol files make it. */
export interface Exchange<Answer> {
  readonly request: {
    readonly apiKey: number;
    readonly apiVersion: number;
    readonly apiName: string;
    /** Answers what kafkajs's own encoder looks like from outside. */
    encode(): Promise<{ readonly buf: Buffer; readonly buffer: Buffer }>;
  };
  readonly response: {
    /** Of the answer's bytes behind the correlation id. kafkajs obeys a `clientSideThrottleTime` of it. */
    decode(payload: Buffer): Promise<Answer>;
    /** kafkajs's own throw the first error that the answer carries. */
    parse(answer: Answer): Promise<Answer>;
  };
}

interface RequestQueue {
  readonly pending: readonly unknown[];
  scheduleCheckPendingRequests(): void;
}

interface Connection {
  readonly requestQueue: RequestQueue;
}

/** The connections to one broker: the first for everything, the second for fetches alone. */
export interface ConnectionPool {
  readonly pool: readonly Connection[];
  getConnection(index?: number): Promise<Connection>;
  send<Answer>(exchange: Exchange<Answer>): Promise<Answer>;
}

export interface NodeAddress {
  readonly nodeId: number;
  readonly host: string;
  readonly port: number;
}

export interface MetadataAnswer {
  readonly brokers: readonly NodeAddress[];
  readonly controllerId: number;
  readonly topicMetadata: readonly {
    readonly topicErrorCode: number;
    readonly topic: string;
    readonly partitionMetadata: readonly {
      readonly partitionErrorCode: number;
      readonly partitionId: number;
      readonly leader: number;
    }[];
  }[];
}

interface PerPartition<Of> {
  readonly topic: string;
  readonly partitions: readonly Of[];
}

/** One broker, as kafkajs's cluster makes it: each method is one request. */
export interface Broker {
  readonly connectionPool: ConnectionPool;
  readonly versions: Readonly<Record<number, VersionRange>> | null;
  connect(): Promise<void>;
  apiVersions(): Promise<unknown>;
  /** Of all topics, if none is named. */
  metadata(topics: readonly string[]): Promise<MetadataAnswer>;
  createTopics(request: {
    readonly topics: readonly {
      readonly topic: string;
      readonly numPartitions: number;
      readonly replicationFactor: number;
      readonly configEntries: readonly { readonly name: string; readonly value: string }[];
    }[];
    readonly validateOnly: boolean;
    readonly timeout: number;
  }): Promise<{
    readonly topicErrors: readonly {
      readonly topic: string;
      readonly errorCode: number;
      readonly errorMessage?: string | null;
    }[];
  }>;
  describeConfigs(request: {
    readonly resources: readonly {
      readonly type: number;
      readonly name: string;
      readonly configNames: readonly string[];
    }[];
  }): Promise<{
    readonly resources: readonly {
      readonly errorCode: number;
      readonly resourceName: string;
      readonly configEntries: readonly { readonly configName: string; readonly configValue: string | null }[];
    }[];
  }>;
  listOffsets(request: {
    readonly topics: readonly PerPartition<{ readonly partition: number; readonly timestamp: string }>[];
  }): Promise<{
    readonly responses: readonly PerPartition<{ readonly partition: number; readonly offset: string }>[];
  }>;
  deleteRecords(request: {
    readonly topics: readonly PerPartition<{ readonly partition: number; readonly offset: string }>[];
  }): Promise<{
    readonly topics: readonly PerPartition<{ readonly partition: number; readonly errorCode: number }>[];
  }>;
  initProducerId(request: {
    readonly transactionTimeout: number;
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
  findGroupCoordinator(request: {
    readonly groupId: string;
    readonly coordinatorType: number;
  }): Promise<{ readonly coordinator: NodeAddress }>;
  /** Asks again by itself with the member id that the broker has given. */
  joinGroup(request: {
    readonly groupId: string;
    readonly memberId: string;
    readonly sessionTimeout: number;
    readonly rebalanceTimeout: number;
    readonly groupProtocols: readonly { readonly name: string; readonly metadata: Buffer }[];
  }): Promise<{
    readonly generationId: number;
    readonly memberId: string;
    readonly members: readonly { readonly memberId: string; readonly memberMetadata: Buffer | null }[];
  }>;
  syncGroup(request: {
    readonly groupId: string;
    readonly generationId: number;
    readonly memberId: string;
    readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Buffer }[];
  }): Promise<{ readonly memberAssignment: Buffer | null }>;
  heartbeat(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
  }): Promise<unknown>;
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
  describeGroups(request: {
    readonly groupIds: readonly string[];
  }): Promise<{ readonly groups: readonly { readonly members: readonly unknown[] }[] }>;
  /** Of all topics, if none is named. */
  offsetFetch(request: { readonly groupId: string; readonly topics: readonly never[] }): Promise<{
    readonly responses: readonly PerPartition<{
      readonly partition: number;
      readonly offset: string;
      readonly metadata: string | null;
    }>[];
  }>;
  offsetCommit(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
    readonly topics: readonly PerPartition<{
      readonly partition: number;
      readonly offset: string;
      readonly metadata?: string;
    }>[];
  }): Promise<{
    readonly responses: readonly PerPartition<{ readonly partition: number; readonly errorCode: number }>[];
  }>;
  deleteGroups(
    groups: readonly string[],
  ): Promise<{ readonly results: readonly { readonly errorCode: number }[] }>;
}

/** What the cluster has that is not in its types. */
interface ClusterInside {
  readonly connectionPoolBuilder: {
    build(to: { readonly host: string; readonly port: number }): Promise<ConnectionPool>;
  };
  readonly brokerPool: {
    createBroker(options: { readonly connectionPool: ConnectionPool; readonly logger: unknown }): Broker;
  };
}

export type SocketFactory = (args: ISocketFactoryArgs) => Socket;

export type KafkaConstructor = new (config: KafkaConfig) => Kafka;

/** @throws if kafkajs is not installed */
export async function loadKafkajs(): Promise<KafkaConstructor> {
  const { default: kafkajs } = await import('kafkajs');
  return kafkajs.Kafka;
}

/**
 * One broker's requests, with connections of their own. kafkajs hands its cluster to whoever assigns partitions, and
 * asks for that as soon as a consumer is made; the consumer itself is never connected.
 */
export async function brokerDoor(
  kafka: Kafka,
  to: { readonly host: string; readonly port: number },
): Promise<Broker> {
  let cluster: ClusterInside | undefined;
  kafka.consumer({
    groupId: 'never-joined',
    allowAutoTopicCreation: false,
    partitionAssigners: [
      (given) => {
        cluster = given.cluster as unknown as ClusterInside;
        return {
          name: 'none',
          version: 0,
          assign: () => Promise.resolve([]),
          protocol: () => ({ name: 'none', metadata: Buffer.alloc(0) }),
        };
      },
    ],
  });
  const connectionPool = await cluster?.connectionPoolBuilder?.build?.({ host: to.host, port: to.port });
  const broker =
    connectionPool && cluster?.brokerPool?.createBroker?.({ connectionPool, logger: kafka.logger() });
  if (
    !broker ||
    connectionPool.pool?.some((connection) => !connection.requestQueue?.scheduleCheckPendingRequests)
  ) {
    throw new DriverError(
      'UNEXPECTED',
      'This version of kafkajs looks different inside: install kafkajs 2.2.4, or use @platformatic/kafka.',
      { retryable: false },
    );
  }
  stopIdleTimers(connectionPool);
  return broker;
}

/**
 * After each answer kafkajs asks its queue to look again for waiting requests, in `throttledUntil - Date.now()`
 * milliseconds (`scheduleCheckPendingRequests` in network/requestQueue/index.js). While nothing is throttled that is
 * negative: the timer goes off after a millisecond, sets the next one, and so for ever, on each connection; Node 24
 * warns of it. With nothing waiting there is nothing to look for.
 */
function stopIdleTimers({ pool }: ConnectionPool): void {
  for (const { requestQueue } of pool) {
    const schedule = requestQueue.scheduleCheckPendingRequests.bind(requestQueue);
    requestQueue.scheduleCheckPendingRequests = () => {
      if (requestQueue.pending.length > 0) schedule();
    };
  }
}
