import type { Topology, TransportEvent } from '@nest-messaging/core/contract';
import type { Channel, ChannelModel } from 'amqplib';
import { openChannel, type Guarded } from './channel.js';
import type { Connection } from './connection.js';
import { CODE, lostConnection, replyCode, topologyError } from './errors.js';
import type { Resource } from './topology.js';

/** Sees to it that resources are there, once for each connection: what was deleted while it was away comes back. */
export interface Declarations {
  /** Undefined if all are known to be there, so that who publishes need not wait. */
  pending(model: ChannelModel, resources: readonly Resource[]): Promise<void> | undefined;
  /**
   * @throws {TopologyError} if one is missing, incompatible or forbidden
   * @throws {ConnectionError} if the connection was lost meanwhile
   */
  ensure(model: ChannelModel, resources: readonly Resource[]): Promise<void>;
  /** They turned out to be gone. */
  forget(resources: readonly Resource[]): void;
  /** How many have been seen to so far: whoever waits in turn sees that it moves. */
  readonly count: number;
}

/** They are asked for with every message, and are the same objects each time: a text that is new has to be hashed, too. */
const keys = new WeakMap<Resource, string>();

function keyOf(resource: Resource): string {
  const known = keys.get(resource);
  if (known !== undefined) return known;
  const key = describe(resource);
  keys.set(resource, key);
  return key;
}

function describe(resource: Resource): string {
  if (resource.kind !== 'binding') return `${resource.kind} ${resource.name}`;
  const { from, to, key, arguments: own } = resource;
  return `binding ${from} ${JSON.stringify(to)} ${key} ${JSON.stringify(own)}`;
}

async function create(channel: Channel, resource: Resource): Promise<void> {
  switch (resource.kind) {
    case 'exchange':
      await channel.assertExchange(resource.name, resource.type, {
        durable: true,
        arguments: resource.arguments,
      });
      return;
    case 'queue':
      await channel.assertQueue(resource.name, { durable: true, arguments: resource.arguments });
      return;
    case 'binding':
      if ('queue' in resource.to)
        await channel.bindQueue(resource.to.queue, resource.from, resource.key, resource.arguments);
      else await channel.bindExchange(resource.to.exchange, resource.from, resource.key, resource.arguments);
  }
}

/** Bindings, types and arguments cannot be read over AMQP: a passive declaration tells existence alone. */
async function check(channel: Channel, resource: Resource): Promise<void> {
  if (resource.kind === 'exchange') await channel.checkExchange(resource.name);
  if (resource.kind === 'queue') await channel.checkQueue(resource.name);
}

export function createDeclarations(
  connection: Connection,
  topology: Topology,
  report: (event: TransportEvent) => void,
): Declarations {
  let known: { model: ChannelModel; done: Map<string, Promise<void> | true> } | undefined;
  let guarded: Guarded<Channel> | undefined;
  // One at a time, so that the error that closes the channel is that of the resource in hand.
  let last: Promise<unknown> = Promise.resolve();
  let count = 0;

  const onChannel = async (model: ChannelModel, work: (channel: Channel) => Promise<void>): Promise<void> => {
    if (!guarded?.open) guarded = await openChannel(model, report);
    await work(guarded.channel);
  };

  /** A wrong type can be seen only by declaring the exchange, which needs a right that may be missing. */
  const checkType = async (model: ChannelModel, resource: Resource): Promise<void> => {
    try {
      await onChannel(model, (channel) => create(channel, resource));
    } catch (error) {
      const code = replyCode(error);
      if (code === CODE.preconditionFailed && /inequivalent arg 'type'/.test((error as Error).message))
        throw error;
      if (code === undefined) throw error;
    }
  };

  const carryOut = async (model: ChannelModel, resource: Resource): Promise<void> => {
    const foreign = resource.kind !== 'binding' && resource.foreign;
    try {
      if (topology === 'create' && !foreign)
        return await onChannel(model, (channel) => create(channel, resource));
      await onChannel(model, (channel) => check(channel, resource));
      if (topology === 'create' && resource.kind === 'exchange') await checkType(model, resource);
    } catch (error) {
      if (connection.model !== model) throw lostConnection(connection.address, error);
      throw topologyError(resource, error);
    }
  };

  const one = (model: ChannelModel, resource: Resource): Promise<void> | undefined => {
    if (known?.model !== model) known = { model, done: new Map() };
    const { done } = known;
    const key = keyOf(resource);
    const state = done.get(key);
    if (state === true) return undefined;
    if (state) return state;
    const work = last.then(() => carryOut(model, resource));
    last = work.catch(() => {}).then(() => (count += 1));
    done.set(key, work);
    work.then(
      () => done.set(key, true),
      () => done.delete(key),
    );
    return work;
  };

  /** In turn, so that nothing is bound to what was refused. */
  const inTurn = async (model: ChannelModel, resources: readonly Resource[]): Promise<void> => {
    for (const resource of resources) await one(model, resource);
  };

  const isKnown = (model: ChannelModel, resource: Resource): boolean =>
    known?.model === model && known.done.get(keyOf(resource)) === true;

  return {
    pending(model, resources) {
      if (topology === 'none' || resources.every((resource) => isKnown(model, resource))) return undefined;
      return inTurn(model, resources);
    },
    async ensure(model, resources) {
      if (topology !== 'none') await inTurn(model, resources);
    },
    forget(resources) {
      for (const resource of resources) known?.done.delete(keyOf(resource));
    },
    get count() {
      return count;
    },
  };
}
