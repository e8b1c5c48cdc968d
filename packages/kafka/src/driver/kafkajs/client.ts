import { setTimeout as wait } from 'node:timers/promises';
import { brokerError, DriverError } from '../driver-error.js';
import { keyOf } from '../by-topic.js';
import type {
  Client,
  DriverOptions,
  EncodedBatch,
  Fetched,
  FetchLimits,
  NewTopic,
  Position,
} from '../driver.js';
import { readFetched } from '../fetched.js';
import { operationsIn } from '../operations.js';
import { settingsOf, toldSettings, TOPIC_RESOURCE } from '../settings.js';
import { rawBeneath } from '../record-batch.js';
import type { Cluster } from './cluster.js';
import { within } from './deadline.js';
import { fetch, permittedGroups, permittedTopics, produce } from './exchanges.js';
import { grouped } from '../grouped.js';
import type { Broker } from './library.js';
import type { Link } from './link.js';
import { leadersOf } from './leaders.js';
import { timeout } from './translate.js';

const EARLIEST = -2;
const LATEST = -1;
/** How often a new topic is looked for, in milliseconds. */
const LOOK_AGAIN = 50;

const UNKNOWN_SERVER_ERROR = -1;
const TOPIC_ALREADY_EXISTS = 36;
const GROUP_ID_NOT_FOUND = 69;
/** Loading, not available, elsewhere. */
const NOT_THE_COORDINATOR = new Set([14, 15, 16]);

/** A topic, and the node that leads each of its partitions; asked about until the deadline. */
interface Led {
  readonly topic: string;
  readonly leading: readonly number[];
  readonly deadline: number;
}

/** One request each, to the broker that it belongs to. */
export function makeClient(cluster: Cluster, { requestTimeout, connectTimeout }: DriverOptions): Client {
  /** How long the broker lets a group's members wait for each other, by what each said when it joined. */
  const rebalanceTimeouts = new Map<string, number>();

  async function leaders(topics: readonly string[], deadline: number): Promise<Map<string, number[]>> {
    if (topics.length === 0) return new Map();
    return leadersOf(await cluster.metadata(topics, deadline));
  }

  /** Asks each partition's leader, all at once. */
  async function askLeaders(
    { topic, leading, deadline }: Led,
    partitions: Iterable<number>,
    ask: (link: Link, led: readonly number[]) => Promise<void>,
  ): Promise<void> {
    const byNode = grouped(partitions, (partition) => leading[partition] ?? -1);
    const asked = [...byNode].map(async ([nodeId, led]) => {
      if (nodeId < 0) throw brokerError(5, `Partition ${led[0]} of ${topic} has no leader at present.`);
      await ask(await cluster.node(nodeId, [topic], deadline), led);
    });
    await Promise.all(asked);
  }

  async function ledBy(topics: readonly string[], deadline: number): Promise<Led[]> {
    const found = await leaders(topics, deadline);
    return topics.map((topic) => {
      const leading = found.get(topic);
      if (!leading) throw brokerError(3, `There is no topic ${topic}.`);
      return { topic, leading, deadline };
    });
  }

  async function offsetsAt(led: Led, timestamp: number): Promise<number[]> {
    const { topic, leading, deadline } = led;
    const offsets = leading.map(() => -1);
    await askLeaders(led, leading.keys(), async (link, numbers) => {
      const partitions = numbers.map((partition) => ({ partition, timestamp: String(timestamp) }));
      const request = { topics: [{ topic, partitions }] };
      const { responses } = await link.ask((broker) => broker.listOffsets(request), deadline);
      for (const answer of responses) {
        for (const { partition, offset } of answer.partitions) offsets[partition] = Number(offset);
      }
    });
    return offsets;
  }

  async function offsets(led: Led, at: 'earliest' | 'latest' | number): Promise<number[]> {
    if (at === 'earliest') return offsetsAt(led, EARLIEST);
    if (at === 'latest') return offsetsAt(led, LATEST);
    const [from, ends] = await Promise.all([offsetsAt(led, at), offsetsAt(led, LATEST)]);
    // The broker answers -1 where no record is as young.
    return from.map((offset, partition) => (offset < 0 ? (ends[partition] ?? -1) : offset));
  }

  async function deleteRecords(before: readonly Position[], deadline: number): Promise<void> {
    const byTopic = grouped(before, ({ topic }) => topic);
    const deleted = (await ledBy([...byTopic.keys()], deadline)).map(async (led) => {
      const { topic } = led;
      const upTo = new Map(byTopic.get(topic)?.map(({ partition, offset }) => [partition, String(offset)]));
      await askLeaders(led, upTo.keys(), async (link, numbers) => {
        const partitions = numbers.map((partition) => ({ partition, offset: upTo.get(partition) ?? '0' }));
        const request = { topics: [{ topic, partitions }] };
        const answer = await link.ask((broker) => broker.deleteRecords(request), deadline);
        for (const { partition, errorCode } of answer.topics.flatMap((one) => one.partitions)) {
          if (errorCode === 0) continue;
          throw brokerError(errorCode, `Nothing was deleted of partition ${partition} of ${topic}.`);
        }
      });
    });
    await Promise.all(deleted);
  }

  /** To the group's coordinator, which does not hold it back. */
  function askCoordinator<Answer>(group: string, ask: (broker: Broker) => Promise<Answer>): Promise<Answer> {
    return within(requestTimeout, (deadline) =>
      cluster.coordinated(group, deadline, 'rest', (link) => link.ask(ask, deadline)),
    );
  }

  /** To the group's coordinator, which waits for the other members. */
  function awaitMembers<Answer>(
    group: string,
    ask: (broker: Broker) => Promise<Answer>,
    named?: (memberId: string) => void,
  ): Promise<Answer> {
    const limit = requestTimeout + (rebalanceTimeouts.get(group) ?? 0);
    return within(limit, (deadline) =>
      cluster.coordinated(group, deadline, 'members', (link) => {
        link.named = named;
        return link.ask(ask, deadline);
      }),
    );
  }

  return {
    async connect() {
      await within(connectTimeout, () => cluster.any());
    },
    close() {
      cluster.close();
      return Promise.resolve();
    },

    async ping() {
      await within(requestTimeout, async (deadline) => {
        const link = await cluster.any();
        await link.ask((broker) => broker.apiVersions(), deadline);
      });
    },

    versions: () =>
      within(requestTimeout, async () => {
        const { broker } = await cluster.any();
        return new Map(Object.entries(broker.versions ?? {}).map(([key, range]) => [Number(key), range]));
      }),

    topics: () =>
      within(requestTimeout, async (deadline) => {
        const { topicMetadata } = await cluster.metadata([], deadline);
        return topicMetadata.filter(({ topicErrorCode }) => topicErrorCode === 0).map(({ topic }) => topic);
      }),

    leaders: (topics) => within(requestTimeout, (deadline) => leaders(topics, deadline)),

    createTopics: (topics) =>
      within(requestTimeout, async (deadline) => {
        const outcomes = await createTopics(cluster, topics, deadline);
        const made = topics.filter((_, index) => outcomes[index] === undefined).map(({ name }) => name);
        await present(cluster, made, deadline);
        return outcomes;
      }),

    tryTopics: (topics) =>
      within(requestTimeout, (deadline) => createTopics(cluster, topics, deadline, true)),

    topicOperations: (topics) =>
      within(requestTimeout, async (deadline) => {
        const link = await cluster.any();
        const told = await link.ask(
          ({ connectionPool }) => connectionPool.send(permittedTopics(topics)),
          deadline,
        );
        return new Map(told.map(({ name, operations }) => [name, operationsIn(operations)]));
      }),

    settings: (topics, names) =>
      within(requestTimeout, async (deadline) => {
        const link = await cluster.any();
        const asked = topics.map((name) => ({ type: TOPIC_RESOURCE, name, configNames: names }));
        const { resources } = await link.ask(
          (broker) => broker.describeConfigs({ resources: asked }),
          deadline,
        );
        return new Map(
          resources
            .filter(({ errorCode }) => toldSettings(errorCode))
            .map(({ resourceName, configEntries }) => [
              resourceName,
              settingsOf(configEntries.map(({ configName, configValue }) => [configName, configValue])),
            ]),
        );
      }),

    offsets: (topic, at) =>
      within(requestTimeout, async (deadline) => {
        const [led] = await ledBy([topic], deadline);
        return led ? offsets(led, at) : [];
      }),

    deleteRecords: (before) => within(requestTimeout, (deadline) => deleteRecords(before, deadline)),

    producerId: () =>
      within(requestTimeout, async (deadline) => {
        const link = await cluster.any();
        const request = { transactionTimeout: requestTimeout };
        const given = await link.ask((broker) => broker.initProducerId(request), deadline);
        return { id: BigInt(given.producerId), epoch: given.producerEpoch };
      }),

    produce: (nodeId, batches, limit) =>
      within(Math.min(limit, requestTimeout), (deadline) => produceTo(cluster, nodeId, batches, deadline)),

    fetch: (nodeId, positions, limits) =>
      within(requestTimeout + limits.maxWait, (deadline) =>
        fetchFrom(cluster, nodeId, positions, limits, deadline),
      ),

    async join({ group, memberId, sessionTimeout, rebalanceTimeout, protocol, metadata, named }) {
      rebalanceTimeouts.set(group, rebalanceTimeout);
      const groupProtocols = [{ name: protocol, metadata }];
      const request = { groupId: group, memberId, sessionTimeout, rebalanceTimeout, groupProtocols };
      const joined = await awaitMembers(group, (broker) => broker.joinGroup(request), named);
      return {
        memberId: joined.memberId,
        generation: joined.generationId,
        members: joined.members.map((member) => ({
          memberId: member.memberId,
          metadata: member.memberMetadata ?? Buffer.alloc(0),
        })),
      };
    },

    async sync({ group, memberId, generation }, assignments) {
      const groupAssignment = [...assignments].map(([id, assigned]) => ({
        memberId: id,
        memberAssignment: assigned,
      }));
      const request = { groupId: group, generationId: generation, memberId, groupAssignment };
      const { memberAssignment } = await awaitMembers(group, (broker) => broker.syncGroup(request));
      return memberAssignment ?? Buffer.alloc(0);
    },

    async heartbeat({ group, memberId, generation }) {
      const request = { groupId: group, groupGenerationId: generation, memberId };
      await askCoordinator(group, (broker) => broker.heartbeat(request));
    },

    async leave({ group, memberId }) {
      await askCoordinator(group, (broker) => broker.leaveGroup({ groupId: group, memberId }));
    },

    async members(group) {
      try {
        const { groups } = await askCoordinator(group, (broker) =>
          broker.describeGroups({ groupIds: [group] }),
        );
        return groups[0]?.members.length ?? 0;
      } catch (error) {
        if (error instanceof DriverError && error.code === 'GROUP_ID_NOT_FOUND') return 0;
        throw error;
      }
    },

    async groupOperations(group) {
      try {
        return await askCoordinator(group, async ({ connectionPool }) => {
          const [told] = await connectionPool.send(permittedGroups([group]));
          const { errorCode = UNKNOWN_SERVER_ERROR, operations = 0 } = told ?? {};
          if (errorCode !== 0) throw brokerError(errorCode, `The group ${group} cannot be described.`);
          return operationsIn(operations);
        });
      } catch (error) {
        if (error instanceof DriverError && error.code === 'GROUP_AUTHORIZATION_FAILED') return [];
        throw error;
      }
    },

    async committed(group, topics) {
      // All that the group has: to name partitions one would have to know how many a topic has.
      const answer = await askCoordinator(group, (broker) =>
        broker.offsetFetch({ groupId: group, topics: [] }),
      );
      return answer.responses
        .filter(({ topic }) => topics.includes(topic))
        .flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset, metadata }) => ({
            topic,
            partition,
            offset: Number(offset),
            metadata: metadata ?? '',
          })),
        )
        .filter(({ offset }) => offset >= 0);
    },

    async commit({ group, memberId, generation }, positions) {
      if (positions.length === 0) return [];
      const topics = [...grouped(positions, ({ topic }) => topic)].map(([topic, partitions]) => ({
        topic,
        partitions: partitions.map(({ partition, offset, metadata }) => ({
          partition,
          offset: String(offset),
          ...(metadata !== undefined && { metadata }),
        })),
      }));
      const request = { groupId: group, groupGenerationId: generation, memberId, topics };
      const { responses } = await askCoordinator(group, async (broker) => {
        const answer = await broker.offsetCommit(request);
        // Whoever does not keep the group says so for each partition.
        const codes = answer.responses.flatMap(({ partitions }) => partitions.map((one) => one.errorCode));
        const elsewhere = codes.find((code) => NOT_THE_COORDINATOR.has(code));
        if (elsewhere !== undefined)
          throw brokerError(elsewhere, `The broker does not keep the group ${group} now.`);
        return answer;
      });
      const codes = new Map(
        responses.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, errorCode }) => [keyOf({ topic, partition }), errorCode]),
        ),
      );
      return positions.map((position) => {
        const code = codes.get(keyOf(position)) ?? UNKNOWN_SERVER_ERROR;
        if (code === 0) return undefined;
        const { topic, partition } = position;
        return brokerError(code, `The position in partition ${partition} of ${topic} was not kept.`);
      });
    },

    async deleteGroup(group) {
      const { results } = await askCoordinator(group, (broker) => broker.deleteGroups([group]));
      const errorCode = results[0]?.errorCode ?? 0;
      if (errorCode === 0 || errorCode === GROUP_ID_NOT_FOUND) return;
      throw brokerError(errorCode, `The group ${group} was not deleted.`);
    },
  };
}

async function createTopics(
  cluster: Cluster,
  topics: readonly NewTopic[],
  deadline: number,
  validateOnly = false,
): Promise<(DriverError | undefined)[]> {
  if (topics.length === 0) return [];
  const names = topics.map(({ name }) => name);
  // Any broker of a KRaft cluster passes it on; with ZooKeeper it must be the controller.
  const { controllerId } = await cluster.metadata(names, deadline);
  const link = await cluster.node(controllerId, names, deadline);
  const request = {
    topics: topics.map(({ name, partitions, replicas, config }) => ({
      topic: name,
      numPartitions: partitions,
      replicationFactor: replicas,
      configEntries: Object.entries(config).map(([key, value]) => ({ name: key, value })),
    })),
    validateOnly,
    timeout: Math.max(deadline - Date.now(), 1),
  };
  const { topicErrors } = await link.ask((broker) => broker.createTopics(request), deadline);
  const byTopic = new Map(topicErrors.map((outcome) => [outcome.topic, outcome]));
  return names.map((name) => {
    const { errorCode, errorMessage } = byTopic.get(name) ?? { errorCode: -1 };
    if (errorCode === 0 || errorCode === TOPIC_ALREADY_EXISTS) return undefined;
    return brokerError(
      errorCode,
      `The topic ${name} was not created: ${errorMessage ?? 'the broker gave no reason.'}`,
    );
  });
}

/**
 * The answer to a creation comes from the controller. Brokers hear of it a little later, and a leader tells that it
 * leads before it does: until then it answers NOT_LEADER_OR_FOLLOWER.
 */
async function present(cluster: Cluster, topics: readonly string[], deadline: number): Promise<void> {
  for (;;) {
    try {
      if (topics.length === 0 || (await areLed(cluster, topics, deadline))) return;
    } catch (error) {
      if (!(error instanceof DriverError && error.retryable)) throw error;
    }
    if (Date.now() > deadline) throw timeout('asked');
    await wait(LOOK_AGAIN);
  }
}

/** Asks each leader for the end of all that it leads of these topics, which it tells only where it does. */
async function areLed(cluster: Cluster, topics: readonly string[], deadline: number): Promise<boolean> {
  const found = leadersOf(await cluster.metadata(topics, deadline));
  const led = topics.flatMap((topic) =>
    (found.get(topic) ?? [-1]).map((node, partition) => ({ topic, node, partition })),
  );
  if (led.some(({ node }) => node < 0)) return false;
  const asked = [...grouped(led, ({ node }) => node)].map(async ([node, partitions]) => {
    const byTopic = [...grouped(partitions, ({ topic }) => topic)];
    const request = {
      topics: byTopic.map(([topic, all]) => ({
        topic,
        partitions: all.map(({ partition }) => ({ partition, timestamp: String(LATEST) })),
      })),
    };
    const link = await cluster.node(node, topics, deadline);
    await link.ask((broker) => broker.listOffsets(request), deadline);
  });
  await Promise.all(asked);
  return true;
}

async function produceTo(
  cluster: Cluster,
  nodeId: number,
  batches: readonly EncodedBatch[],
  deadline: number,
): Promise<(DriverError | undefined)[]> {
  const link = await cluster.node(nodeId, [...new Set(batches.map(({ topic }) => topic))], deadline);
  const left = Math.ceil(deadline - Date.now());
  if (left <= 0) throw timeout('asked');
  const answers = await link.ask(
    ({ connectionPool }) => connectionPool.send(produce(batches, left)),
    deadline,
  );
  const codes = new Map(answers.map((answer) => [keyOf(answer), answer.errorCode]));
  return batches.map((batch) => {
    const errorCode = codes.get(keyOf(batch)) ?? UNKNOWN_SERVER_ERROR;
    if (errorCode === 0) return undefined;
    return brokerError(errorCode, `Partition ${batch.partition} of ${batch.topic} did not take the records.`);
  });
}

async function fetchFrom(
  cluster: Cluster,
  nodeId: number,
  positions: readonly Position[],
  limits: FetchLimits,
  deadline: number,
): Promise<Fetched[]> {
  const topics = [...new Set(positions.map(({ topic }) => topic))];
  const link = await cluster.node(nodeId, topics, deadline);
  const answers = await link.fetch(fetch(positions, limits), deadline);
  return readFetched(answers, positions, MESSAGE);
}

/** The record as kafkajs hands it to its consumers. */
const MESSAGE = rawBeneath(({ key, value, timestamp, offset, headers }) => {
  const byName = new Map<string, (Buffer | null)[]>();
  for (const [name, content] of headers) byName.set(name, [...(byName.get(name) ?? []), content]);
  return {
    key,
    value,
    timestamp: String(timestamp),
    offset: String(offset),
    attributes: 0,
    headers: Object.fromEntries([...byName].map(([name, all]) => [name, all.length === 1 ? all[0] : all])),
  };
});
