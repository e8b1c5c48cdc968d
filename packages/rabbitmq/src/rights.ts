import type { Rights, Topology, Usage } from '@nest-messaging/core/contract';
import { allDelays, dueAt } from './delays.js';
import { planAll, type Planned } from './planned.js';
import { eventsExchange, publishedTo, type Owner, type QueueType, type Resource } from './topology.js';

/** The default exchange, as permissions name it: whoever publishes to a queue by its name writes to it. */
const DEFAULT_EXCHANGE = 'amq.default';

/** One regular expression for them all; all levels of delay are one. */
export function patternOf(names: Iterable<string>): string {
  const exact = [...names].map((name) =>
    name
      .replaceAll(/[.^$+?()[\]{}|\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replace(/--delay-\d+$/, '--delay-[0-9]+'),
  );
  return exact.length === 0 ? '^$' : `^(${[...new Set(exact)].sort().join('|')})$`;
}

/** Names of exchanges and queues, with `*` for what each connection makes up. */
export interface Needs {
  readonly configure: ReadonlySet<string>;
  readonly write: ReadonlySet<string>;
  readonly read: ReadonlySet<string>;
}

/** The least that a user needs, with the command that grants it. */
export function rightsOf(
  owner: Owner,
  usage: Usage,
  queueType: QueueType,
  topology: Topology,
  vhost: string,
): Rights {
  const needs = needsOf(owner, usage, queueType, topology);
  const [configure, write, read] = [needs.configure, needs.write, needs.read].map(patternOf);
  return {
    granted: { vhost, configure, write, read },
    grant: `rabbitmqctl set_permissions -p '${vhost}' USER '${configure}' '${write}' '${read}'`,
  };
}

/**
 * What a user configures, writes and reads, by what each operation needs.
 * @see https://www.rabbitmq.com/docs/access-control#authorisation
 */
export function needsOf(
  owner: Owner,
  { subscriptions, publications, delays }: Usage,
  queueType: QueueType,
  topology: Topology,
): Needs {
  const configure = new Set<string>();
  const write = new Set<string>();
  const read = new Set<string>();

  /** Declaring and binding. */
  const make = (resource: Resource): void => {
    if (topology !== 'create') return;
    if (resource.kind === 'binding') {
      read.add(resource.from);
      write.add('queue' in resource.to ? resource.to.queue : resource.to.exchange);
      return;
    }
    if (resource.foreign) return;
    configure.add(resource.name);
    const { 'x-dead-letter-exchange': next, 'alternate-exchange': strays } = resource.arguments ?? {};
    for (const other of [next, strays])
      if (other !== undefined) {
        read.add(resource.name);
        write.add(String(other));
      }
  };

  const consume = ({ plan, live }: Planned): void => {
    for (const queue of [plan.queue, plan.dead, plan.suspect]) if (queue !== undefined) read.add(queue);
    if (!live) return;
    configure.add(live.queue);
    if (!live.binding) return;
    for (const right of [write, read]) right.add(live.queue);
    read.add(live.binding.from);
  };

  const planned = subscriptions.map((subscription) => planAll(owner, subscription, queueType));
  for (const one of planned) {
    [...one.atStart, ...one.whenNeeded].forEach(make);
    consume(one);
  }
  for (const { destination } of publications) {
    publishedTo(owner, destination, queueType).forEach(make);
    write.add(destination.kind === 'topic' ? eventsExchange(owner) : DEFAULT_EXCHANGE);
  }
  const waiting = allDelays(owner);
  if (delays)
    [...waiting, ...publications.flatMap(({ destination }) => dueAt(owner, destination))].forEach(make);
  const retries = planned.some(({ plan }) => plan.retries);
  if (delays || retries)
    for (const resource of waiting)
      if (resource.kind === 'queue' && resource.name.includes('--delay-')) write.add(resource.name);
  // Retries without a delay, suspects, dead letters and what is redriven go to a queue by its name.
  if (retries) write.add(DEFAULT_EXCHANGE);

  return { configure, write, read };
}
