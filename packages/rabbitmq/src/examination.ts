import {
  MARKER,
  type ExaminationOptions,
  type Finding,
  type Topology,
  type TransportEvent,
  type Usage,
} from '@nest-messaging/core/contract';
import type { Channel, ChannelModel } from 'amqplib';
import { openChannel } from './channel.js';
import { allDelays, dueAt } from './delays.js';
import { CODE, replyCode, topologyError } from './errors.js';
import { missingBindings } from './bindings.js';
import { managementAt, type ListedQueue } from './management.js';
import { missingPermissions } from './permissions.js';
import { planAll } from './planned.js';
import { needsOf } from './rights.js';
import { publishedTo, serviceName, type Owner, type QueueType, type Resource } from './topology.js';

export interface ExaminationParts {
  readonly owner: Owner;
  readonly queueType: QueueType;
  readonly vhost: string;
  /** Whose permissions count. */
  readonly user: string;
  readonly topology: Topology;
  readonly model: ChannelModel;
  readonly report: (event: TransportEvent) => void;
}

/** The oldest release that the module is tested with. */
const OLDEST = [3, 10] as const;

function versionOf(model: ChannelModel): Finding {
  const { serverProperties } = model.connection as unknown as {
    serverProperties?: { product?: string; version?: string };
  };
  const { product = 'an AMQP broker', version = '' } = serverProperties ?? {};
  const [major = 0, minor = 0] = version.split('.').map(Number);
  const old = major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1]);
  const message = `${product} ${version || 'of an unknown version'}`;
  return old
    ? {
        level: 'trouble',
        about: 'broker',
        message: `${message}: the module needs RabbitMQ ${OLDEST.join('.')} or later`,
      }
    : { level: 'fine', about: 'broker', message };
}

type Declarable = Exclude<Resource, { kind: 'binding' }>;

/** Each use of a channel may be its last: the broker closes it with a refusal. */
async function ask<T>(
  { model, report }: ExaminationParts,
  use: (channel: Channel) => Promise<T>,
): Promise<T> {
  const guarded = await openChannel(model, report);
  try {
    return await use(guarded.channel);
  } finally {
    await guarded.close();
  }
}

/** With topology `create` alone. */
const NOT_YET = 'is not there yet: the application makes it when it starts, or first needs it';

interface Counts {
  readonly messageCount: number;
  readonly consumerCount: number;
}

interface Seen {
  readonly finding: Finding;
  /** Of a queue that is there. */
  readonly counts?: Counts;
}

/** What is there is compared by declaring it again, which changes nothing of it. */
async function compare(channel: Channel, resource: Declarable): Promise<void> {
  const { name } = resource;
  const options = { durable: true, arguments: resource.arguments };
  if (resource.kind === 'exchange') await channel.assertExchange(name, resource.type, options);
  else await channel.assertQueue(name, options);
}

async function look(parts: ExaminationParts, resource: Declarable): Promise<Seen> {
  const { kind, name } = resource;
  const about = `${kind} ${name}`;
  const trouble = (error: unknown): Finding => ({
    level: 'trouble',
    about,
    message: topologyError(resource, error).message,
  });
  let counts: Counts | undefined;
  try {
    if (kind === 'queue') counts = await ask(parts, (channel) => channel.checkQueue(name));
    else await ask(parts, (channel) => channel.checkExchange(name));
  } catch (error) {
    const comes = parts.topology === 'create' && !resource.foreign && replyCode(error) === CODE.notFound;
    return { finding: comes ? { level: 'notice', about, message: NOT_YET } : trouble(error) };
  }
  if (resource.foreign) return { finding: { level: 'fine', about, message: 'is there' }, counts };
  try {
    await ask(parts, (channel) => compare(channel, resource));
    return { finding: { level: 'fine', about, message: 'is there, as it should be' }, counts };
  } catch (error) {
    if (replyCode(error) !== CODE.accessRefused) return { finding: trouble(error), counts };
    const message = 'is there; its arguments are seen only with the right to configure it';
    return { finding: { level: 'fine', about, message }, counts };
  }
}

/** What a person should know of a queue by its counts. */
type Judge = (counts: Counts) => string | undefined;

const work: Judge = ({ messageCount, consumerCount }) =>
  consumerCount > 0 ? undefined : `nobody takes from it; messages waiting: ${messageCount}`;
const letters: Judge = ({ messageCount }) =>
  messageCount > 0 ? `dead letters to be redriven or purged: ${messageCount}` : undefined;
const strays: Judge = ({ messageCount }) =>
  messageCount > 0
    ? `retried messages whose queue was deleted, to be moved by hand: ${messageCount}`
    : undefined;

/** What the module has for its own use; an ordered subscription's queue is marked as well, and is a subscription's. */
const OWN = new RegExp(`${MARKER}(?!ordered$)`);

/** Queues of the namespace that nobody takes from, and that no handler here has. */
function orphansAmong(
  queues: readonly ListedQueue[],
  planned: ReadonlySet<string>,
  { namespace }: Owner,
): Finding[] {
  return queues
    .filter(({ name, consumers }) => consumers === 0 && !OWN.test(name) && !planned.has(name))
    .filter(({ name }) => namespace === undefined || name.startsWith(`${namespace}.`))
    .map(({ name, messages }) => ({
      level: 'notice',
      about: `queue ${name}`,
      message: `nobody takes from it, and no handler here has it; messages waiting: ${messages}. If it is nobody's, name its handler in the module's option retired, or delete it`,
    }));
}

/** @throws {ConfigurationError | ConnectionError} if the management API cannot be asked */
export async function examine(
  parts: ExaminationParts,
  usage: Usage,
  { management }: ExaminationOptions,
): Promise<readonly Finding[]> {
  const { owner, queueType, model, vhost, user, topology } = parts;
  const { subscriptions, publications, delays } = usage;
  const kept = subscriptions
    .filter(({ broadcast }) => !broadcast)
    .map((subscription) => planAll(owner, subscription, queueType));
  const judges = new Map<string | undefined, Judge>([
    ...kept.map(({ plan }) => [plan.queue, work] as const),
    ...kept.map(({ plan }) => [plan.dead, letters] as const),
    [serviceName(owner, 'strays'), strays],
  ]);
  const resources = [
    ...kept.flatMap(({ atStart }) => atStart),
    ...publications.flatMap(({ destination }) => publishedTo(owner, destination, queueType)),
    ...(delays || kept.length > 0 ? allDelays(owner) : []),
    ...(delays ? publications.flatMap(({ destination }) => dueAt(owner, destination)) : []),
  ];
  const needed = new Map<string, Declarable>();
  for (const resource of resources)
    if (resource.kind !== 'binding') needed.set(`${resource.kind} ${resource.name}`, resource);

  const findings: Finding[] = [versionOf(model)];
  const there = new Set<string>();
  for (const [about, resource] of needed) {
    const { finding, counts } = await look(parts, resource);
    findings.push(finding);
    if (finding.level === 'fine') there.add(about);
    const told = counts && judges.get(resource.name)?.(counts);
    if (told !== undefined) findings.push({ level: 'notice', about: finding.about, message: told });
  }
  if (management === undefined)
    return [
      ...findings,
      {
        level: 'notice',
        about: 'orphaned subscriptions',
        message:
          'cannot be seen over AMQP, nor can bindings and all permissions: give the URL of the management API',
      },
    ];
  const api = managementAt(management, vhost);
  const planned = new Set([...needed.values()].map(({ name }) => name));
  const bindings = resources.filter((resource) => resource.kind === 'binding');
  const orphans = orphansAmong(await api.queues(), planned, owner);
  return [
    ...findings,
    ...missingBindings(bindings, await api.bindings(), there),
    ...(await missingPermissions(api, user, needsOf(owner, usage, queueType, topology))),
    ...orphans,
  ];
}
