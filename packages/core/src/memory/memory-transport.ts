import {
  ClosedError,
  ConfigurationError,
  describeSubscription,
  MessageTooLargeError,
  subscriptionName,
  type Capabilities,
  type Environment,
  type Finding,
  type Message,
  type Transport,
} from '../contract/index.js';
import { consume, type MemoryConsumer } from './consumer.js';
import { deadLettersOf } from './dead-letters.js';
import type { Hub } from './hub.js';
import { copyOf } from './message-copies.js';
import { createPlanner } from './planner.js';

const capabilities: Capabilities = {
  durable: false,
  ordered: 'native',
  maxDelay: Number.POSITIVE_INFINITY,
  patterns: 'native',
  broadcast: 'native',
  maxHold: Number.POSITIVE_INFINITY,
  // As RabbitMQ 4 has it, so that what passes here does not fail there.
  maxBodySize: 16 * 1024 * 1024,
  countsDeliveries: false,
  replay: false,
};

/** Taken at load, so that a test's fake timers do not stop the broker. */
const defer = setImmediate;

function refuseBrokerOptions(options: unknown): void {
  if (options !== undefined)
    throw new ConfigurationError('memory has no options for a handler or a publish: leave them out');
}

/** One application's connection to the hub. */
export function openMemory(hub: Hub, environment: Environment): Transport {
  const consumers = new Map<MemoryConsumer, string>();
  const closing = new AbortController();
  let state: 'new' | 'open' | 'closed' = 'new';
  let detach: (() => void) | undefined;
  let closed: Promise<void> | undefined;

  const checkOpen = (): void => {
    if (state === 'open') return;
    throw new ClosedError(
      state === 'new' ? 'the in-memory broker is not connected yet' : 'the in-memory broker is closed',
    );
  };

  const accept = (message: Message, delay: number): void => {
    if (delay <= 0) return hub.route(environment, message);
    hub.room.take(1);
    hub.delays.after(delay, () => {
      hub.route(environment, message);
      hub.room.free(1);
    });
  };

  const close = async (): Promise<void> => {
    state = 'closed';
    closing.abort(new ClosedError('the in-memory broker was closed while a message waited for room'));
    // What handlers have decided by now is carried out before the rest is given back.
    await new Promise((resolve) => defer(resolve));
    for (const consumer of consumers.keys()) consumer.abandon();
    detach?.();
  };

  return {
    name: 'memory',
    capabilities,
    planner: createPlanner(environment, refuseBrokerOptions),
    deadLetters: deadLettersOf(hub, environment, closing.signal),
    async connect() {
      if (state === 'closed') checkOpen();
      if (state === 'open') return;
      state = 'open';
      detach = hub.delays.attach(environment.clock);
      environment.report({ type: 'connected', to: 'memory' });
      environment.report({
        type: 'warning',
        message: 'the in-memory broker is not durable: what is unhandled when this process ends is lost',
      });
    },
    async publish(message, signal) {
      checkOpen();
      signal.throwIfAborted();
      refuseBrokerOptions(message.brokerOptions);
      if (message.body.byteLength > capabilities.maxBodySize)
        throw new MessageTooLargeError(
          `the body has ${message.body.byteLength} bytes: the in-memory broker takes ${capabilities.maxBodySize}`,
        );
      hub.prepare(environment, message.destination);
      const own = copyOf(message);
      const { delay } = message;
      if (hub.room.open) return accept(own, delay);
      await hub.room.whenFree(() => accept(own, delay), signal, closing.signal);
    },
    async subscribe(subscription, handle) {
      checkOpen();
      refuseBrokerOptions(subscription.brokerOptions);
      const queue = hub.queueFor(environment, subscription);
      const consumer = consume(
        queue,
        subscription,
        handle,
        environment.clock,
        (entry, error) =>
          environment.report({
            type: 'warning',
            message: `the handler of ${describeSubscription(subscription)} rejected; message ${entry.message.id} stays unsettled until this application closes`,
            error,
          }),
        () => {
          consumers.delete(consumer);
          if (queue.broadcast) hub.remove(environment, queue);
        },
      );
      consumers.set(consumer, describeSubscription(subscription));
      return consumer;
    },
    async backlog(subscription) {
      checkOpen();
      return hub.find(environment, subscription)?.waiting ?? 0;
    },
    async establish({ subscriptions, publications }) {
      checkOpen();
      for (const subscription of subscriptions)
        if (!subscription.broadcast) hub.queueFor(environment, subscription);
      for (const { destination } of publications)
        if (destination.kind === 'queue')
          hub.queueFor(environment, { source: destination, group: '', broadcast: false });
    },
    async examine({ subscriptions }) {
      checkOpen();
      return subscriptions
        .filter(({ broadcast }) => !broadcast)
        .map((subscription): Finding => {
          const about = `queue ${subscriptionName(environment.namespace, subscription)}`;
          return hub.find(environment, subscription)
            ? { level: 'fine', about, message: 'is there' }
            : { level: 'trouble', about, message: 'is not there: memory forgets with its process' };
        });
    },
    close() {
      closed ??= close();
      return closed;
    },
    async health() {
      const ready = state === 'open';
      const reason = { new: 'not connected yet', open: undefined, closed: 'closed' }[state];
      return {
        ready,
        parts: ['memory', ...consumers.values()].map((name) => ({ name, ready, reason })),
      };
    },
  };
}
