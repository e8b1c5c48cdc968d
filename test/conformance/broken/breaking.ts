import type {
  Broker,
  Delivery,
  DeliveryHandler,
  Environment,
  OutgoingMessage,
  Settlement,
  Subscription,
  Transport,
} from '@nest-messaging/core/contract';
import type { TestBroker } from '@nest-messaging/testing/conformance';
import { networkedUnderTest } from '../memory-under-test.js';

/** A transport, or an engine, with one defect. */
export interface Broken {
  /** What is wrong with it. */
  readonly name: string;
  readonly create: () => TestBroker;
}

export type Break = (broker: Broker) => Broker;

/** Memory with a defect. `make` is called for each guarantee, so that a defect may have a state of its own. */
export function broken(name: string, make: () => Break): Broken {
  return { name, create: () => networkedUnderTest(make()) };
}

/** Replaces members of a transport. */
export const around =
  (change: (transport: Transport, environment: Environment) => Partial<Transport>): Break =>
  (broker) => ({
    name: broker.name,
    open(environment) {
      const transport = broker.open(environment);
      return { ...transport, ...change(transport, environment) };
    },
  });

/** Changes what a handler is to the transport. */
export const handling = (
  change: (
    handle: DeliveryHandler,
    subscription: Subscription,
    environment: Environment,
    transport: Transport,
  ) => DeliveryHandler,
): Break =>
  around((transport, environment) => ({
    subscribe: (subscription, handle) =>
      transport.subscribe(subscription, change(handle, subscription, environment, transport)),
  }));

/** Changes what is handed over. */
export const delivering = (change: (delivery: Delivery, subscription: Subscription) => Delivery): Break =>
  handling((handle, subscription) => (delivery) => handle(change(delivery, subscription)));

/** Changes what is carried out. */
export const settling = (
  change: (settlement: Settlement, delivery: Delivery, subscription: Subscription) => Settlement,
): Break =>
  handling(
    (handle, subscription) => async (delivery) => change(await handle(delivery), delivery, subscription),
  );

/** Changes what is published. */
export const publishing = (
  change: (message: OutgoingMessage, environment: Environment) => OutgoingMessage,
): Break =>
  around((transport, environment) => ({
    publish: (message, signal) => transport.publish(change(message, environment), signal),
  }));

/** Changes what is subscribed to. */
export const subscribing = (
  change: (subscription: Subscription, environment: Environment) => Subscription,
): Break =>
  around((transport, environment) => ({
    subscribe: (subscription, handle) => transport.subscribe(change(subscription, environment), handle),
  }));

export const never = new AbortController().signal;
export const acknowledge: Settlement = { type: 'acknowledge' };
export const release: Settlement = { type: 'release' };

/** Some turns of the event loop: what a hasty transport does later. */
export async function later(): Promise<void> {
  for (let i = 0; i < 5; i++) await new Promise((resolve) => setImmediate(resolve));
}
