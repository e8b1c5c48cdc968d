import type { Client } from '../driver.js';
import { closed, createPending, timedOut } from '../pending.js';
import type { Cluster } from './cluster.js';
import { createFetch } from './fetch.js';
import { groupRequests } from './groups.js';
import { produceRequests } from './produce.js';
import { topicRequests } from './topics.js';

/**
 * Milliseconds after a single request's own limit: its connection ends at that one, and whoever is told and asks again
 * then has another.
 */
const LATER = 20;

/** All requests end in time, whatever they consist of, and at once when it closes. */
export function createClient(cluster: Cluster): Client {
  const { requestTimeout } = cluster;
  const pending = createPending();
  const topics = topicRequests(cluster);
  const groups = groupRequests(cluster);
  const produce = produceRequests(cluster);
  const fetch = createFetch(cluster);
  /** As the last join said: the broker holds back a sync, too, until the leader has sent its own. */
  let rebalanceTimeout = 0;

  const within = <T>(limit: number, what: string, work: () => Promise<T>): Promise<T> =>
    pending.wait(limit + LATER, work, () => timedOut(what, limit));
  const inTime = <T>(what: string, work: () => Promise<T>, held = 0): Promise<T> =>
    within(requestTimeout + held, what, work);

  return {
    connect: () => inTime('the first request', topics.ping),
    close() {
      pending.giveUp(closed());
      cluster.close();
      return Promise.resolve();
    },
    ping: () => inTime('a sign of life', topics.ping),
    versions: () => inTime('what the broker speaks', topics.versions),
    topics: () => inTime('the list of topics', topics.topics),
    leaders: (names) => inTime('who leads', () => topics.leaders(names)),
    createTopics: (wanted) => inTime('creating topics', () => topics.createTopics(wanted)),
    tryTopics: (wanted) => inTime('trying topics', () => topics.tryTopics(wanted)),
    topicOperations: (names) => inTime('what may be done with topics', () => topics.topicOperations(names)),
    settings: (names, wanted) => inTime('settings', () => topics.settings(names, wanted)),
    offsets: (topic, at) => inTime('offsets', () => topics.offsets(topic, at)),
    deleteRecords: (before) => inTime('deleting records', () => topics.deleteRecords(before)),
    producerId: () => inTime('a producer id', produce.producerId),
    produce(node, batches, timeout) {
      const limit = Math.min(timeout, requestTimeout);
      return within(limit, 'producing', () => produce.produce(node, batches, limit));
    },
    fetch: (node, positions, limits) =>
      inTime('a fetch', () => fetch(node, positions, limits), limits.maxWait),
    join(request) {
      rebalanceTimeout = request.rebalanceTimeout;
      return inTime('joining', () => groups.join(request), rebalanceTimeout);
    },
    sync: (membership, assignments) =>
      inTime(
        'the assignment',
        () => groups.sync(membership, assignments, rebalanceTimeout),
        rebalanceTimeout,
      ),
    heartbeat: (membership) => inTime('a heartbeat', () => groups.heartbeat(membership)),
    leave: (membership) => inTime('leaving', () => groups.leave(membership)),
    members: (group) => inTime('a description', () => groups.members(group)),
    groupOperations: (group) => inTime('what may be done with a group', () => groups.groupOperations(group)),
    committed: (group, names) => inTime('positions', () => groups.committed(group, names)),
    commit: (membership, positions) => inTime('a commit', () => groups.commit(membership, positions)),
    deleteGroup: (group) => inTime('deleting a group', () => groups.deleteGroup(group)),
  };
}
