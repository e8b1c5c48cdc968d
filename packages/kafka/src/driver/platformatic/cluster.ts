import type { API, Broker, ConnectionOptions, metadataV9 } from '@platformatic/kafka';
import { brokerError, DriverError } from '../driver-error.js';
import type { Library } from './library.js';
import { openLink, type Link } from './link.js';
import { closed } from '../pending.js';

/**
 * What shares a connection: the broker answers one request of a connection after the other, and holds back fetches, and
 * joins and syncs until the other members have come.
 */
export type Lane = 'fetch' | 'group' | 'rest';

/** The connections of one client, opened when they are needed, and who leads what. */
export interface Cluster {
  readonly library: Library;
  readonly requestTimeout: number;
  /** Aborts when it is closed. */
  readonly closing: AbortSignal;
  /** To whichever broker is reached. */
  any(): Promise<Link>;
  node(id: number, lane: Lane): Promise<Link>;
  /**
   * Fresh, of these topics or of all. Never creates one.
   * @param operations whether it tells what the user may do with each
   */
  metadata(topics: readonly string[] | null, operations?: boolean): Promise<Metadata>;
  /** Asks the broker that keeps this group, and finds it anew after it was not the one. */
  askCoordinator<Request extends unknown[], Answer>(asked: GroupRequest<Request, Answer>): Promise<Answer>;
  /** What is under way rejects. */
  close(): void;
}

export type Metadata = metadataV9.MetadataResponse;

export interface GroupRequest<Request extends unknown[], Answer> {
  readonly group: string;
  readonly api: API<Request, Answer>;
  readonly request: Request;
  /** The error codes that the answer holds, 0 for none. */
  readonly codes: (answer: Answer) => readonly number[];
  readonly lane?: Lane;
  /** How long the broker may hold it back. */
  readonly held?: number;
}

export interface ClusterParts {
  readonly library: Library;
  readonly clientId: string;
  readonly brokers: readonly Broker[];
  readonly options: ConnectionOptions;
  readonly requestTimeout: number;
  readonly onDisconnect: (error: DriverError) => void;
}

const GROUP = 0;
const NOT_AVAILABLE = 15;
const NOT_COORDINATOR = 16;

export function createCluster({
  library,
  brokers,
  requestTimeout,
  onDisconnect,
  ...parts
}: ClusterParts): Cluster {
  const links = new Map<string, Link>();
  const coordinators = new Map<string, number>();
  /** Where each node is reached, as the last answer that told so had it. */
  let nodes = new Map<number, Broker>();
  let reached: Broker | undefined;
  const ending = new AbortController();

  const linkTo = async ({ host, port }: Broker, lane: Lane): Promise<Link> => {
    if (ending.signal.aborted) throw closed();
    const key = `${lane} ${host}:${port}`;
    const known = links.get(key);
    const link =
      known ??
      openLink({
        ...parts,
        library,
        broker: { host, port },
        onEnd(error, opened) {
          links.delete(key);
          if (opened && !ending.signal.aborted) onDisconnect(error);
        },
      });
    if (!known) links.set(key, link);
    await link.open;
    return link;
  };

  const any = async (): Promise<Link> => {
    let failure: DriverError | undefined;
    const known = [...(reached ? [reached] : []), ...brokers, ...nodes.values()];
    for (const [, broker] of new Map(known.map((each) => [`${each.host}:${each.port}`, each]))) {
      try {
        const link = await linkTo(broker, 'rest');
        reached = broker;
        return link;
      } catch (error) {
        // A refused login is refused everywhere.
        if (!(error instanceof DriverError) || !error.retryable) throw error;
        failure ??= error;
      }
    }
    throw failure ?? new DriverError('CONNECTION', 'no broker is given', { retryable: false });
  };

  const metadata: Cluster['metadata'] = async (topics, operations = false) => {
    const link = await any();
    const answer = await link.ask(
      library.metadataV9.api,
      requestTimeout,
      topics && [...topics],
      false,
      operations,
      false,
    );
    nodes = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    return answer;
  };

  const node = async (id: number, lane: Lane): Promise<Link> => {
    if (!nodes.has(id)) await metadata([]);
    const broker = nodes.get(id);
    if (!broker) throw brokerError(8, `node ${id} is not among the brokers`);
    try {
      return await linkTo(broker, lane);
    } catch (error) {
      // It may have moved.
      nodes.delete(id);
      throw error;
    }
  };

  const coordinatorOf = async (group: string): Promise<number> => {
    const link = await any();
    const { coordinators: found } = await link.ask(library.findCoordinatorV3.api, requestTimeout, GROUP, [
      group,
    ]);
    const { errorCode = NOT_AVAILABLE, errorMessage, nodeId = -1, host = '', port = 0 } = found[0] ?? {};
    if (errorCode !== 0) throw brokerError(errorCode, errorMessage ?? `no coordinator for group '${group}'`);
    nodes.set(nodeId, { host, port });
    coordinators.set(group, nodeId);
    return nodeId;
  };

  return {
    library,
    requestTimeout,
    closing: ending.signal,
    any,
    node,
    metadata,
    async askCoordinator({ group, api, request, codes, lane = 'rest', held = 0 }) {
      const id = coordinators.get(group) ?? (await coordinatorOf(group));
      try {
        const link = await node(id, lane);
        const answer = await link.ask(api, requestTimeout + held, ...request);
        if (codes(answer).some((code) => code === NOT_AVAILABLE || code === NOT_COORDINATOR))
          coordinators.delete(group);
        return answer;
      } catch (error) {
        coordinators.delete(group);
        throw error;
      }
    },
    close() {
      ending.abort();
      for (const [, link] of links) link.end(closed());
    },
  };
}
