import type { Broker, Environment, OutgoingMessage } from '@nest-messaging/core/contract';
import { ConnectionError } from '@nest-messaging/core/contract';
import { virtualClock } from '@nest-messaging/testing';
import type { Hooks, TestBroker } from '@nest-messaging/testing/conformance';
import { memory } from '../../packages/core/src/memory/index.js';
import { networked, type Forgetfulness } from './networked.js';

const MAX_MESSAGES = 12_000;

/** Why memory alone cannot be given these hooks. */
export const memoryLacks = {
  away: 'memory is never away',
  cut: 'there is no connection to lose',
  vanish: 'nothing outside the process can reach it',
  foreign: 'nothing outside the process can reach it',
  listen: 'nothing outside the process can reach it',
  made: 'nothing outside the process can look into it',
  unreachable: 'it has no address',
};

/** Memory on virtual time. */
export function memoryUnderTest(): TestBroker {
  const broker = memory({ maxMessages: MAX_MESSAGES });
  const clock = virtualClock();
  return { broker, clock, stall: () => fill(broker, { ...environment, clock }) };
}

/**
 * Memory as if it were elsewhere: with a connection that can be lost, and others that use it. It has every hook, so
 * that every guarantee can be shown, and broken, within one process.
 *
 * @param around what a test breaks
 */
export function networkedUnderTest(
  around: (broker: Broker) => Broker = (broker) => broker,
  forgets?: Forgetfulness,
  hooks: Partial<Hooks> = {},
): TestBroker {
  const inner = memory({ maxMessages: MAX_MESSAGES });
  const clock = virtualClock();
  const network = networked(inner, forgets);
  const own = { ...environment, clock };
  return {
    broker: around(network.broker),
    clock,
    stall: () => fill(inner, own),
    cut: () => network.cut(),
    away: () => network.away(),
    vanish: (subscription) => network.vanish(subscription),
    async foreign(destination, body, headers = {}) {
      const transport = inner.open({ ...own, namespace: undefined });
      await transport.connect();
      await transport.publish(
        { id: crypto.randomUUID(), destination, body, contentType: '', headers, delay: 0, ordered: false },
        new AbortController().signal,
      );
      await transport.close();
    },
    async listen(topic, onBody) {
      const transport = inner.open({ ...own, namespace: undefined });
      await transport.connect();
      const source = { kind: 'topic', name: topic } as const;
      await transport.subscribe(
        { source, group: 'listener', ordered: false, broadcast: true, maxUnsettled: 10 },
        async ({ message }) => {
          onBody(message.body);
          return { type: 'acknowledge' };
        },
      );
      return () => transport.close();
    },
    made: async (names) =>
      [...network.queues]
        .filter((queue) => names.some((name) => queue.includes(name)))
        .map((name) => ({ kind: 'queue', name })),
    unreachable: unreachable('cannot reach nowhere.example:5672'),
    ...hooks,
  };
}

/** A broker that says `text` instead of connecting. */
export function unreachable(text: string, code?: string): Hooks['unreachable'] {
  const broker: Broker = {
    name: 'memory',
    open: (its) => ({
      ...memory().open(its),
      connect: () =>
        Promise.reject(
          code === undefined ? new ConnectionError(text) : Object.assign(new Error(text), { code }),
        ),
    }),
  };
  return { broker, address: 'nowhere.example:5672', secret: 's3cret' };
}

const environment: Omit<Environment, 'clock'> = {
  connection: 'filler',
  service: 'filler',
  namespace: 'filler',
  topology: 'create',
  connectTimeout: 1_000,
  report: () => {},
};

/** Fills the broker to its limit with messages nobody handles, and empties it again. */
async function fill(broker: Broker, filling: Environment): Promise<() => Promise<void>> {
  const transport = broker.open(filling);
  await transport.connect();
  const signal = new AbortController().signal;
  const source = { kind: 'queue', name: 'filler' } as const;
  const message: OutgoingMessage = {
    id: 'filler',
    destination: source,
    body: new Uint8Array(),
    contentType: 'text/plain',
    headers: {},
    delay: 0,
    ordered: false,
  };
  for (let i = 0; i < MAX_MESSAGES; i++) await transport.publish(message, signal);
  return async () => {
    await transport.subscribe(
      { source, group: 'filler', ordered: false, broadcast: false, maxUnsettled: MAX_MESSAGES },
      async () => ({ type: 'acknowledge' }),
    );
  };
}
