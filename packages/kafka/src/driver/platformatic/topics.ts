import { setTimeout as pause } from 'node:timers/promises';
import type { Client, NewTopic, Position } from '../driver.js';
import { brokerError, DriverError } from '../driver-error.js';
import { byTopic, keyOf } from '../by-topic.js';
import type { Cluster, Metadata } from './cluster.js';
import { operationsIn } from '../operations.js';
import { settingsOf, toldSettings, TOPIC_RESOURCE } from '../settings.js';
import { timedOut } from '../pending.js';

type Topics = Pick<
  Client,
  | 'ping'
  | 'versions'
  | 'topics'
  | 'leaders'
  | 'createTopics'
  | 'tryTopics'
  | 'topicOperations'
  | 'settings'
  | 'offsets'
  | 'deleteRecords'
>;

const UNKNOWN_SERVER_ERROR = -1;
const UNKNOWN_TOPIC_OR_PARTITION = 3;
const LEADER_NOT_AVAILABLE = 5;
const TOPIC_ALREADY_EXISTS = 36;

const LATEST = -1n;
const EARLIEST = -2n;
/** As fetches do: behind the last that consumers may see. */
const READ_COMMITTED = 1;
const NO_REPLICA = -1;
const ANY_EPOCH = -1;
/** No record is as young. */
const NONE = -1;

/** Milliseconds between looks whether a new topic has its leaders. */
const LOOK = 50;

export function topicRequests(cluster: Cluster): Topics {
  const { library, requestTimeout } = cluster;

  const leaders: Topics['leaders'] = async (topics) =>
    topics.length === 0 ? new Map() : leadersOf(await cluster.metadata(topics));

  /** Asks each partition's leader; `ask` is given those that a node leads. */
  const atLeaders = async <Answer>(
    topics: ReadonlyMap<string, number[]>,
    positions: readonly Position[],
    ask: (node: number, led: readonly Position[]) => Promise<Answer>,
  ): Promise<Answer[]> => {
    const byNode = new Map<number, Position[]>();
    for (const position of positions) {
      const leader = topics.get(position.topic)?.[position.partition];
      if (leader === undefined)
        throw brokerError(UNKNOWN_TOPIC_OR_PARTITION, `${nameOf(position)} does not exist`);
      if (leader < 0) throw brokerError(LEADER_NOT_AVAILABLE, `${nameOf(position)} has no leader now`);
      byNode.set(leader, [...(byNode.get(leader) ?? []), position]);
    }
    return Promise.all([...byNode].map(([node, led]) => ask(node, led)));
  };

  /** By {@link keyOf}. */
  const listOffsets = async (
    positions: readonly Position[],
    timestamp: bigint,
    known: ReadonlyMap<string, number[]>,
  ): Promise<Map<string, { readonly errorCode: number; readonly offset: number }>> => {
    const answers = await atLeaders(known, positions, async (id, led) => {
      const node = await cluster.node(id, 'rest');
      const asked = byTopic(led, ({ partition }) => ({
        partitionIndex: partition,
        currentLeaderEpoch: ANY_EPOCH,
        timestamp,
      }));
      return node.ask(library.listOffsetsV5.api, requestTimeout, NO_REPLICA, READ_COMMITTED, asked);
    });
    return new Map(
      answers
        .flatMap(({ topics }) => topics)
        .flatMap(({ name, partitions }) =>
          partitions.map(({ partitionIndex, errorCode, offset }) => [
            keyOf({ topic: name, partition: partitionIndex }),
            { errorCode, offset: Number(offset) },
          ]),
        ),
    );
  };

  const create = async (
    topics: readonly NewTopic[],
    validateOnly = false,
  ): Promise<Map<string, DriverError>> => {
    const { controllerId } = await cluster.metadata([]);
    const controller = await cluster.node(controllerId, 'rest');
    const answer = await controller.ask(
      library.createTopicsV5.api,
      requestTimeout,
      topics.map(({ name, partitions, replicas, config }) => ({
        name,
        numPartitions: partitions,
        replicationFactor: replicas,
        assignments: [],
        configs: Object.entries(config).map(([key, value]) => ({ name: key, value })),
      })),
      requestTimeout,
      validateOnly,
    );
    return new Map(
      answer.topics
        .filter(({ errorCode }) => errorCode !== 0 && errorCode !== TOPIC_ALREADY_EXISTS)
        .map(({ name, errorCode, errorMessage }) => [
          name,
          brokerError(errorCode, errorMessage ?? `topic '${name}' cannot be created`),
        ]),
    );
  };

  /** Those whose partitions all have a leader, and it knows that it is the leader. */
  const ready = async (names: readonly string[]): Promise<Set<string>> => {
    const known = await leaders(names);
    const led = names.filter((name) => known.get(name)?.every((leader) => leader >= 0));
    const positions = led.flatMap((topic) =>
      known.get(topic)!.map((_, partition) => ({ topic, partition, offset: 0 })),
    );
    const found = await listOffsets(positions, LATEST, known);
    const missing = positions.filter((position) => found.get(keyOf(position))?.errorCode !== 0);
    return new Set(led.filter((name) => !missing.some(({ topic }) => topic === name)));
  };

  /** Brokers hear of a new topic, and of what they lead in it, a little after it was created. */
  const settled = async (names: readonly string[], deadline: number): Promise<Set<string>> => {
    for (;;) {
      const settledOnes = await ready(names);
      if (settledOnes.size === new Set(names).size || performance.now() > deadline) return settledOnes;
      await pause(LOOK, undefined, { signal: cluster.closing });
    }
  };

  return {
    leaders,

    async ping() {
      await cluster.metadata([]);
    },

    async versions() {
      return (await cluster.any()).versions;
    },

    async topics() {
      const { topics } = await cluster.metadata(null);
      return topics.filter(exists).map(({ name }) => name);
    },

    async createTopics(topics) {
      if (topics.length === 0) return [];
      const deadline = performance.now() + requestTimeout - 2 * LOOK;
      const refused = await create(topics);
      const names = topics.map(({ name }) => name).filter((name) => !refused.has(name));
      const found = await settled(names, deadline);
      return topics.map(
        ({ name }) =>
          refused.get(name) ?? (found.has(name) ? undefined : timedOut(`topic '${name}'`, requestTimeout)),
      );
    },

    async tryTopics(topics) {
      if (topics.length === 0) return [];
      const refused = await create(topics, true);
      return topics.map(({ name }) => refused.get(name));
    },

    async topicOperations(names) {
      const { topics } = await cluster.metadata(names, true);
      return new Map(topics.map(({ name, topicAuthorizedOperations: bits }) => [name, operationsIn(bits)]));
    },

    async settings(topics, names) {
      const link = await cluster.any();
      const { results } = await link.ask(
        library.describeConfigsV2.api,
        requestTimeout,
        topics.map((resourceName) => ({
          resourceType: TOPIC_RESOURCE,
          resourceName,
          configurationKeys: [...names],
        })),
      );
      return new Map(
        results
          .filter(({ errorCode }) => toldSettings(errorCode))
          .map(({ resourceName, configs }) => [
            resourceName,
            settingsOf(configs.map(({ name, value = null }) => [name, value])),
          ]),
      );
    },

    async offsets(topic, at) {
      const known = await leaders([topic]);
      const positions = known.get(topic)?.map((_, partition) => ({ topic, partition, offset: 0 }));
      if (!positions) throw brokerError(UNKNOWN_TOPIC_OR_PARTITION, `topic '${topic}' does not exist`);
      const list = async (wanted: readonly Position[], timestamp: bigint): Promise<number[]> => {
        const found = await listOffsets(wanted, timestamp, known);
        return wanted.map((position) => {
          const { errorCode = UNKNOWN_SERVER_ERROR, offset = NONE } = found.get(keyOf(position)) ?? {};
          if (errorCode !== 0) throw brokerError(errorCode, `${nameOf(position)} told no offset`);
          return offset;
        });
      };
      if (at === 'latest') return list(positions, LATEST);
      if (at === 'earliest') return list(positions, EARLIEST);
      const found = await list(positions, BigInt(Math.ceil(at)));
      const without = positions.filter(({ partition }) => found[partition] === NONE);
      const ends = await list(without, LATEST);
      for (const [index, { partition }] of without.entries()) found[partition] = ends[index]!;
      return found;
    },

    async deleteRecords(before) {
      const known = await leaders([...new Set(before.map(({ topic }) => topic))]);
      const kept = before.filter(({ topic }) => known.has(topic));
      const answers = await atLeaders(known, kept, async (id, led) => {
        const node = await cluster.node(id, 'rest');
        const asked = byTopic(led, ({ partition, offset }) => ({
          partitionIndex: partition,
          offset: BigInt(offset),
        }));
        return node.ask(library.deleteRecordsV1.api, requestTimeout, asked, requestTimeout);
      });
      for (const { name: topic, partitions } of answers.flatMap(({ topics }) => topics))
        for (const { partitionIndex: partition, errorCode } of partitions)
          if (errorCode !== 0)
            throw brokerError(errorCode, `records of ${nameOf({ topic, partition })} cannot be deleted`);
    },
  };
}

const nameOf = ({ topic, partition }: { topic: string; partition: number }): string =>
  `partition ${partition} of '${topic}'`;

type TopicMetadata = Metadata['topics'][number];

/** One that is being deleted may still be listed. */
const exists = ({ errorCode }: TopicMetadata): boolean => errorCode !== UNKNOWN_TOPIC_OR_PARTITION;

/** @throws {DriverError} if the broker may not tell, or such a name cannot be */
export function leadersOf({ topics }: Metadata): Map<string, number[]> {
  const known = new Map<string, number[]>();
  for (const topic of topics.filter(exists)) {
    const name = topic.name ?? '';
    // One being created has none yet.
    if (topic.errorCode === LEADER_NOT_AVAILABLE) continue;
    if (topic.errorCode !== 0) throw brokerError(topic.errorCode, `topic '${name}' cannot be described`);
    const leaders = topic.partitions.toSorted((a, b) => a.partitionIndex - b.partitionIndex);
    known.set(
      name,
      leaders.map(({ leaderId }) => leaderId),
    );
  }
  return known;
}
