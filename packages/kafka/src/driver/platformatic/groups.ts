import type { Client, CommittedPosition } from '../driver.js';
import { brokerError, DriverError } from '../driver-error.js';
import { byTopic, keyOf } from '../by-topic.js';
import { operationsIn } from '../operations.js';
import type { Cluster } from './cluster.js';

type Groups = Pick<
  Client,
  'join' | 'heartbeat' | 'leave' | 'members' | 'groupOperations' | 'committed' | 'commit' | 'deleteGroup'
> & {
  /** `held` is how long the broker may wait for what the leader sends. */
  sync(...args: [...Parameters<Client['sync']>, held: number]): ReturnType<Client['sync']>;
};

const PROTOCOL_TYPE = 'consumer';
const UNKNOWN_SERVER_ERROR = -1;
const GROUP_ID_NOT_FOUND = 69;
const MEMBER_ID_REQUIRED = 79;

/** Each request goes to the broker that keeps the group. */
export function groupRequests(cluster: Cluster): Groups {
  const { library } = cluster;

  const check = (what: string, codes: readonly number[]): void => {
    const code = codes.find((each) => each !== 0);
    if (code !== undefined) throw brokerError(code, what);
  };
  const ownCode = ({ errorCode }: { errorCode: number }): readonly number[] => [errorCode];

  const describe = async (group: string, operations: boolean) => {
    const { groups } = await cluster.askCoordinator({
      group,
      api: library.describeGroupsV5.api,
      request: [[group], operations],
      codes: (answer) => answer.groups.flatMap(ownCode),
    });
    return groups[0];
  };

  return {
    async join(request) {
      const { group, memberId, sessionTimeout, rebalanceTimeout, protocol, metadata } = request;
      const ask = (id: string) =>
        cluster.askCoordinator({
          group,
          api: library.joinGroupV6.api,
          request: [
            group,
            sessionTimeout,
            rebalanceTimeout,
            id,
            null,
            PROTOCOL_TYPE,
            [{ name: protocol, metadata }],
            null,
          ],
          codes: ownCode,
          lane: 'group',
          held: rebalanceTimeout,
        });
      let answer = await ask(memberId);
      // A new member is given its id first, so that one whose answer is lost leaves nothing behind.
      if (answer.errorCode === MEMBER_ID_REQUIRED) {
        request.named?.(answer.memberId);
        answer = await ask(answer.memberId);
      }
      check(`group '${group}' cannot be joined`, [answer.errorCode]);
      return {
        memberId: answer.memberId,
        generation: answer.generationId,
        members: answer.members.map((member) => ({
          memberId: member.memberId,
          metadata: member.metadata ?? Buffer.alloc(0),
        })),
      };
    },

    async sync({ group, memberId, generation, protocol }, assignments, held) {
      const answer = await cluster.askCoordinator({
        group,
        api: library.syncGroupV4.api,
        request: [
          group,
          generation,
          memberId,
          null,
          PROTOCOL_TYPE,
          protocol,
          [...assignments].map(([member, assignment]) => ({ memberId: member, assignment })),
        ],
        codes: ownCode,
        lane: 'group',
        held,
      });
      check(`group '${group}' gave no assignment`, [answer.errorCode]);
      return answer.assignment;
    },

    async heartbeat({ group, memberId, generation }) {
      const answer = await cluster.askCoordinator({
        group,
        api: library.heartbeatV4.api,
        request: [group, generation, memberId, null],
        codes: ownCode,
      });
      check(`group '${group}' refused a heartbeat`, [answer.errorCode]);
    },

    async leave({ group, memberId }) {
      const answer = await cluster.askCoordinator({
        group,
        api: library.leaveGroupV4.api,
        request: [group, [{ memberId, groupInstanceId: null }]],
        codes: ownCode,
      });
      check(`group '${group}' cannot be left`, [answer.errorCode, ...answer.members.flatMap(ownCode)]);
    },

    async members(group) {
      const found = await describe(group, false);
      if (!found || found.errorCode === GROUP_ID_NOT_FOUND) return 0;
      check(`group '${group}' cannot be described`, [found.errorCode]);
      return found.members.length;
    },

    async groupOperations(group) {
      try {
        const found = await describe(group, true);
        check(`group '${group}' cannot be described`, [found?.errorCode ?? UNKNOWN_SERVER_ERROR]);
        return operationsIn(found?.authorizedOperations ?? 0);
      } catch (error) {
        if (error instanceof DriverError && error.code === 'GROUP_AUTHORIZATION_FAILED') return [];
        throw error;
      }
    },

    async committed(group, topics) {
      const answer = await cluster.askCoordinator({
        group,
        api: library.offsetFetchV6.api,
        // All there are: asking for some takes the number of partitions of each.
        request: [[{ groupId: group, topics: null }], false],
        codes: ownCode,
      });
      const wanted = answer.topics.filter(({ name }) => topics.includes(name));
      const partitions = wanted.flatMap((topic) => topic.partitions);
      check(`the positions of group '${group}' cannot be read`, [
        answer.errorCode,
        ...partitions.flatMap(ownCode),
      ]);
      return wanted.flatMap(({ name, partitions: each }) =>
        each
          .filter(({ committedOffset }) => committedOffset >= 0n)
          .map((found): CommittedPosition => ({
            topic: name,
            partition: found.partitionIndex,
            offset: Number(found.committedOffset),
            metadata: found.metadata ?? '',
          })),
      );
    },

    async commit({ group, memberId, generation }, positions) {
      if (positions.length === 0) return [];
      const answer = await cluster.askCoordinator({
        group,
        api: library.offsetCommitV8.api,
        request: [
          group,
          generation,
          memberId,
          null,
          byTopic(positions, ({ partition, offset, metadata = '' }) => ({
            partitionIndex: partition,
            committedOffset: BigInt(offset),
            committedLeaderEpoch: -1,
            committedMetadata: metadata,
          })),
        ],
        codes: ({ topics }) => topics.flatMap(({ partitions }) => partitions.flatMap(ownCode)),
      });
      const codesOf = new Map(
        answer.topics.flatMap(({ name: topic, partitions }) =>
          partitions.map((one) => [keyOf({ topic, partition: one.partitionIndex }), one.errorCode]),
        ),
      );
      return positions.map((position) => {
        const code = codesOf.get(keyOf(position)) ?? UNKNOWN_SERVER_ERROR;
        if (code === 0) return undefined;
        const { topic, partition } = position;
        return brokerError(code, `the position in partition ${partition} of '${topic}' was not kept`);
      });
    },

    async deleteGroup(group) {
      const answer = await cluster.askCoordinator({
        group,
        api: library.deleteGroupsV2.api,
        request: [[group]],
        codes: ({ results }) => results.flatMap(ownCode),
      });
      check(
        `group '${group}' cannot be deleted`,
        answer.results.flatMap(ownCode).filter((code) => code !== GROUP_ID_NOT_FOUND),
      );
    },
  };
}
