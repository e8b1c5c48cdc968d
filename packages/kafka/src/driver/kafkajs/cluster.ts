import { brokerError, DriverError } from '../driver-error.js';
import type { DriverOptions } from '../driver.js';
import { openLink, type Address, type Link } from './link.js';
import type { Broker, KafkaConstructor, MetadataAnswer, NodeAddress } from './library.js';

/**
 * Finds the broker that a request must go to, and opens the connections to it when they are needed first.
 * Deadlines are in milliseconds since 1970.
 */
export interface Cluster {
  /** A broker, whichever. */
  any(): Promise<Link>;
  /** @param topics some that the client may know of, to ask by if the node is not known yet */
  node(nodeId: number, topics: readonly string[], deadline: number): Promise<Link>;
  /** Of a group. Forgets where the group is coordinated when that one is not reached, or says that it is elsewhere. */
  coordinated<Answer>(
    group: string,
    deadline: number,
    purpose: Purpose,
    request: (link: Link) => Promise<Answer>,
  ): Promise<Answer>;
  /** Fresh. Of all topics, if none is named. */
  metadata(topics: readonly string[], deadline: number): Promise<MetadataAnswer>;
  /** At once: what is under way rejects. */
  close(): void;
}

/**
 * A join or a sync may be held back for long, and with it all that comes behind it on its connections: they have
 * connections of their own.
 */
type Purpose = 'members' | 'rest';

const GROUP_COORDINATOR = 0;
/**
 * The group's coordinator is elsewhere now or not there yet, as the broker says, or it is not reached: a load balancer
 * accepts a connection to one that is gone, and ends it before TLS begins; and the address may be another's by now, who
 * has another certificate or refuses the login.
 */
const COORDINATOR_GONE = new Set([
  'NOT_COORDINATOR',
  'COORDINATOR_NOT_AVAILABLE',
  'CONNECTION',
  'TIMEOUT',
  'TLS',
  'AUTHENTICATION',
]);

export function openCluster(Kafka: KafkaConstructor, options: DriverOptions): Cluster {
  const links = new Map<string, { readonly opened: Promise<Link>; end: Link['end'] }>();
  const nodes = new Map<number, NodeAddress>();
  const coordinators = new Map<string, NodeAddress>();
  let closed: DriverError | undefined;
  let turn = 0;

  function link(to: Address, purpose: Purpose = 'rest'): Promise<Link> {
    if (closed) return Promise.reject(closed);
    const key = `${purpose} ${to.host}:${to.port}`;
    const known = links.get(key);
    if (known) return known.opened;
    const made = openLink(to, {
      Kafka,
      options,
      onEnd: () => {
        if (links.get(key) === made) links.delete(key);
      },
    });
    links.set(key, made);
    return made.opened;
  }

  async function any(): Promise<Link> {
    const addresses = unique([...nodes.values(), ...(await bootstrap(options))]);
    const open = addresses.find(({ host, port }) => links.has(`rest ${host}:${port}`));
    if (open) return link(open);
    // Each time from another one on, as trying one that does not answer takes all the time there is.
    const from = turn;
    turn += 1;
    let failure: unknown;
    for (let index = 0; index < addresses.length; index += 1) {
      const address = addresses[(from + index) % addresses.length];
      if (!address) continue;
      try {
        return await link(address);
      } catch (error) {
        if (!(error instanceof DriverError && error.retryable)) throw error;
        failure = error;
      }
    }
    throw failure;
  }

  async function metadata(topics: readonly string[], deadline: number): Promise<MetadataAnswer> {
    const link = await any();
    const answer = await link.ask((broker) => broker.metadata(topics), deadline);
    nodes.clear();
    for (const node of answer.brokers) nodes.set(node.nodeId, node);
    return answer;
  }

  async function node(nodeId: number, topics: readonly string[], deadline: number): Promise<Link> {
    if (!nodes.has(nodeId)) await metadata(topics, deadline);
    const address = nodes.get(nodeId);
    if (!address) throw brokerError(8, `The cluster has no broker ${nodeId} at present.`);
    try {
      return await link(address);
    } catch (error) {
      // It may have come up again at another address.
      nodes.delete(nodeId);
      throw error;
    }
  }

  async function coordinator(group: string, deadline: number, purpose: Purpose): Promise<Link> {
    const known = coordinators.get(group);
    if (known) return link(known, purpose);
    const request = (broker: Broker) =>
      broker.findGroupCoordinator({ groupId: group, coordinatorType: GROUP_COORDINATOR });
    const found = await (await any()).ask(request, deadline);
    coordinators.set(group, found.coordinator);
    return link(found.coordinator, purpose);
  }

  return {
    any,
    node,
    metadata,
    async coordinated(group, deadline, purpose, request) {
      try {
        return await request(await coordinator(group, deadline, purpose));
      } catch (error) {
        if (error instanceof DriverError && COORDINATOR_GONE.has(error.code)) coordinators.delete(group);
        throw error;
      }
    },
    close() {
      closed ??= new DriverError('CLOSED', 'The client was closed.', { retryable: false });
      for (const { end } of links.values()) end(closed);
    },
  };
}

async function bootstrap({ brokers, vendor }: DriverOptions): Promise<Address[]> {
  const given = vendor['brokers'] as
    readonly string[] | (() => readonly string[] | Promise<readonly string[]>);
  const list = typeof given === 'function' ? await given() : (given ?? brokers);
  return list.map((broker) => {
    const colon = broker.lastIndexOf(':');
    return {
      host: broker.slice(0, colon).replace(/^\[(.*)\]$/, '$1'),
      port: Number(broker.slice(colon + 1)),
    };
  });
}

function unique(addresses: readonly Address[]): Address[] {
  return [...new Map(addresses.map(({ host, port }) => [`${host}:${port}`, { host, port }])).values()];
}
