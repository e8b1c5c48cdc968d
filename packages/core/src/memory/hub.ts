import {
  describeSubscription,
  destinationName,
  PublishRejectedError,
  subscriptionName,
  TopologyError,
  type Destination,
  type Environment,
  type Message,
  type Subscription,
  type SubscriptionId,
} from '../contract/index.js';
import { createDelays, type Delays } from './delays.js';
import { createRoom, type Room } from './room.js';
import { createRoutes, type Routes } from './routes.js';
import { createSubscriptionQueue, type SubscriptionQueue } from './subscription-queue.js';

type Place = Pick<Environment, 'namespace' | 'topology'>;

/** The broker itself: what is held for whom. Applications that share it meet here. */
export interface Hub {
  readonly room: Room;
  readonly delays: Delays;
  /** The queue of a subscription: the one there is, or a new one where `topology` allows. */
  queueFor(
    place: Place,
    subscription: Pick<Subscription, 'source' | 'group' | 'broadcast'>,
  ): SubscriptionQueue;
  /** The queue of a subscription, if there is one. */
  find(place: Place, subscription: SubscriptionId): SubscriptionQueue | undefined;
  /** Hands a message to every subscription that exists now, or to its queue, which was prepared. Never throws. */
  route(place: Place, message: Message): void;
  /** Sees to it that a destination is there, or refuses it. */
  prepare(place: Place, destination: Destination): void;
  remove(place: Place, queue: SubscriptionQueue): void;
}

/** What one namespace holds. */
interface Space {
  readonly durable: Map<string, SubscriptionQueue>;
  readonly broadcasts: Set<SubscriptionQueue>;
  /** Undefined once a subscription has come or gone. */
  routes: Routes | undefined;
}

export function createHub(maxMessages: number): Hub {
  const room = createRoom(maxMessages);
  const delays = createDelays();
  const spaces = new Map<string, Space>();

  const spaceOf = ({ namespace = '' }: Place): Space => {
    let space = spaces.get(namespace);
    if (!space) {
      space = { durable: new Map(), broadcasts: new Set(), routes: undefined };
      spaces.set(namespace, space);
    }
    return space;
  };

  const create = (place: Place, id: SubscriptionId, broadcast: boolean): SubscriptionQueue => {
    const space = spaceOf(place);
    const { source, group } = id;
    const queue = createSubscriptionQueue({ source, group }, broadcast, room, (ms, run) =>
      delays.after(ms, run),
    );
    if (broadcast) space.broadcasts.add(queue);
    else space.durable.set(subscriptionName(place.namespace, id), queue);
    space.routes = undefined;
    return queue;
  };

  const find = (place: Place, id: SubscriptionId): SubscriptionQueue | undefined => {
    const queue = spaceOf(place).durable.get(subscriptionName(place.namespace, id));
    // A queue named like a subscription: 'billing.order.placed'.
    if (queue && describeSubscription(queue.id) !== describeSubscription(id))
      throw new TopologyError(
        `${describeSubscription(id)} and ${describeSubscription(queue.id)} have the same name on the broker, '${subscriptionName(place.namespace, id)}': rename one`,
      );
    return queue;
  };

  const routesOf = (space: Space): Routes =>
    (space.routes ??= createRoutes([...space.durable.values(), ...space.broadcasts]));

  /** A queue is the same for whoever sends and whoever works, whatever their service. */
  const queueId = (destination: Destination): SubscriptionId => ({ source: destination, group: '' });

  return {
    room,
    delays,
    find,
    queueFor(place, subscription) {
      if (subscription.broadcast) return create(place, subscription, true);
      const found = find(place, subscription);
      if (found) return found;
      if (place.topology !== 'create')
        throw new TopologyError(
          `${describeSubscription(subscription)} does not exist on the in-memory broker, and topology '${place.topology}' creates nothing: memory starts empty, so use topology 'create'`,
        );
      return create(place, subscription, false);
    },
    prepare(place, destination) {
      destinationName(place.namespace, destination);
      const id = queueId(destination);
      if (destination.kind === 'topic' || find(place, id)) return;
      if (place.topology !== 'create')
        throw new PublishRejectedError(
          `queue '${destination.name}' does not exist on the in-memory broker, and topology '${place.topology}' creates nothing`,
        );
      // Now, and not when a message goes in after its delay, when its name might be another's.
      create(place, id, false);
    },
    route(place, message) {
      const { destination } = message;
      if (destination.kind === 'queue') return find(place, queueId(destination))!.push(message);
      for (const queue of routesOf(spaceOf(place))(destination.name)) queue.push(message);
    },
    remove(place, queue) {
      const space = spaceOf(place);
      space.broadcasts.delete(queue);
      space.routes = undefined;
      queue.remove();
    },
  };
}
