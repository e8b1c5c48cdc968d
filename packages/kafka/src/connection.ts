import {
  ClosedError,
  ConnectionError,
  createBackoff,
  pause,
  within,
  type Clock,
  type HealthPart,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { DriverError } from './driver/driver-error.js';
import type { Client } from './driver/driver.js';
import { connectionError, isHopeless } from './errors.js';

/**
 * Whether Kafka can be reached. Client libraries connect when there is something to ask, and know of a broker that has
 * gone only when they do; so it is asked for a sign of life in the interval of a heartbeat, and at once when a
 * connection breaks or a request gets no answer.
 */
export interface Connection {
  /** For requests of administration. */
  readonly client: Client;
  /** @throws {ConnectionError} after the time limit, or at once if waiting cannot help */
  open(): Promise<void>;
  readonly up: boolean;
  /** Calls each time it is reached again; returns what ends that. */
  onUp(listener: () => void): () => void;
  /** Something did not get an answer: looks at once. */
  suspect(error?: unknown): void;
  health(): HealthPart;
  close(): Promise<void>;
}

/** Milliseconds between signs of life. */
const PULSE = 3_000;
/** Without an answer for so long, it is not there: with the pulse, three heartbeats in all. */
const PING_WITHIN = 6_000;

const noAnswer = (): DriverError =>
  new DriverError('TIMEOUT', `no sign of life within ${PING_WITHIN} ms`, { retryable: true });

export interface ConnectionParts {
  readonly client: Client;
  readonly brokers: readonly string[];
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
}

export function createConnection({ client, brokers, timeout, clock, report }: ConnectionParts): Connection {
  const shown = brokers.join(',');
  const ended = new AbortController();
  const listeners = new Set<() => void>();
  let state: 'new' | 'up' | 'down' | 'closed' = 'new';
  let lastError: ConnectionError | undefined;
  /** Ends the wait for the next pulse. */
  let look = new AbortController();

  const connect = async (): Promise<void> => {
    // Not `AbortSignal.any`: Node 20 keeps such a signal for ever, with all that it reaches, while anybody listens to it.
    const over = new AbortController();
    const end = (): void => over.abort();
    ended.signal.addEventListener('abort', end);
    const cancel = clock.schedule(end, timeout);
    const tooLate = new Promise<never>((_, reject) => {
      const noAnswer = new DriverError('TIMEOUT', `no answer within ${timeout} ms`, { retryable: true });
      over.signal.addEventListener('abort', () => reject(lastError ?? connectionError(brokers, noAnswer)));
    });
    tooLate.catch(() => undefined);
    const backoff = createBackoff(clock);
    try {
      for (;;) {
        try {
          // A broker that wants a login lets anybody connect, and hangs up at the first request.
          return await Promise.race([client.connect().then(() => client.ping()), tooLate]);
        } catch (error) {
          if (error instanceof ConnectionError) throw error;
          lastError = connectionError(brokers, error);
          if (isHopeless(error)) throw lastError;
          await Promise.race([backoff.wait(over.signal), tooLate]);
        }
      }
    } finally {
      cancel();
      ended.signal.removeEventListener('abort', end);
    }
  };

  const beat = async (): Promise<void> => {
    const backoff = createBackoff(clock);
    while (!ended.signal.aborted) {
      look = new AbortController();
      if (state === 'up') await pause(clock, PULSE, ended.signal, look.signal);
      else await backoff.wait(ended.signal);
      if (ended.signal.aborted) return;
      try {
        await within(PING_WITHIN, clock, () => client.ping(), noAnswer);
        backoff.reset();
        if (state !== 'down') continue;
        state = 'up';
        report({ type: 'connected', to: shown });
        for (const listener of listeners) listener();
      } catch (error) {
        if (ended.signal.aborted) return;
        lastError = connectionError(brokers, error);
        if (state !== 'up') continue;
        state = 'down';
        report({ type: 'disconnected', from: shown, error: lastError });
      }
    }
  };

  return {
    client,
    async open() {
      await connect();
      if (state !== 'new') throw new ClosedError('the transport is closed');
      state = 'up';
      report({ type: 'connected', to: shown });
      void beat();
    },
    get up() {
      return state === 'up';
    },
    onUp(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    suspect: () => look.abort(),
    health() {
      const name = `Kafka at ${shown}`;
      switch (state) {
        case 'up':
          return { name, ready: true };
        case 'new':
          return { name, ready: false, reason: 'not connected yet' };
        case 'down':
          return { name, ready: false, reason: lastError?.message ?? 'not reached' };
        case 'closed':
          return { name, ready: false, reason: 'closed' };
      }
    },
    async close() {
      state = 'closed';
      ended.abort();
      listeners.clear();
      await client.close();
    },
  };
}
