import type { Broker, Environment, OutgoingMessage } from '@nest-messaging/core/contract';
import { virtualClock } from '@nest-messaging/testing';
import type { TestBroker } from '@nest-messaging/testing/conformance';
import { memory } from '../../packages/core/src/memory/index.js';

const MAX_MESSAGES = 5_000;

/** Memory on virtual time; `around` lets a test break it. */
export function memoryUnderTest(around: (broker: Broker) => Broker = (broker) => broker): TestBroker {
  const broker = memory({ maxMessages: MAX_MESSAGES });
  const clock = virtualClock();
  return {
    broker: around(broker),
    clock,
    stall: () => fill(broker, { ...environment, clock }),
  };
}

export const memoryLacks = {
  away: 'memory is never away',
  cut: 'there is no connection to lose',
  foreign: 'nothing outside the process can reach it',
  listen: 'nothing outside the process can reach it',
  unreachable: 'it has no address',
};

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
