import { ListTopicsCommand, type SNSClient } from '@aws-sdk/client-sns';
import {
  ClosedError,
  createBackoff,
  type Clock,
  type ConnectionError,
  type HealthPart,
  type TransportEvent,
} from '@nest-messaging/core/contract';
import { answered, connectionError, isCredentials } from './errors.js';

/**
 * Whether the services can be reached. There is no connection to keep: each request tells. While they cannot, they are
 * asked again until they answer.
 */
export interface Connection {
  /** @throws {ConnectionError} after the time limit, or at once for credentials that are refused */
  open(): Promise<void>;
  readonly up: boolean;
  /** Calls each time they are reached again; returns what ends that. */
  onUp(listener: () => void): () => void;
  /** Tells of a request that failed: where it may be the connection's fault, the services are asked. */
  failed(error: unknown): void;
  health(): HealthPart;
  close(): void;
}

export interface ConnectionParts {
  readonly sns: SNSClient;
  /** Where they are, for people. */
  readonly where: string;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly report: (event: TransportEvent) => void;
}

/** Milliseconds that an answer may take while it is doubtful whether there will be one. */
const ANSWER_WITHIN = 5_000;

const noAnswer = (ms: number): Error =>
  Object.assign(new Error(`no answer within ${ms} ms`), { name: 'TimeoutError' });

export function createConnection({ sns, where, timeout, clock, report }: ConnectionParts): Connection {
  const ended = new AbortController();
  const listeners = new Set<() => void>();
  let state: 'new' | 'up' | 'down' | 'closed' = 'new';
  let last: ConnectionError | undefined;
  let doubted = false;

  /**
   * Aborts after `ms`, or when it is closed. Not `AbortSignal.any`: Node 20 keeps such a signal for ever, with all that
   * it reaches, while anybody listens to it.
   */
  const limit = (ms: number): { readonly signal: AbortSignal; readonly cancel: () => void } => {
    const over = new AbortController();
    const end = (): void => over.abort(ended.signal.reason);
    ended.signal.addEventListener('abort', end);
    const cancelTimer = clock.schedule(() => over.abort(noAnswer(ms)), ms);
    return {
      signal: over.signal,
      cancel() {
        cancelTimer();
        ended.signal.removeEventListener('abort', end);
      },
    };
  };

  /** Any answer will do, but one that says that nobody knows us. */
  const ask = async (): Promise<void> => {
    const { signal, cancel } = limit(ANSWER_WITHIN);
    try {
      await sns.send(new ListTopicsCommand({}), { abortSignal: signal });
    } catch (error) {
      if (!answered(error) || isCredentials(error)) throw signal.aborted ? signal.reason : error;
    } finally {
      cancel();
    }
  };

  const recover = async (): Promise<void> => {
    const backoff = createBackoff(clock);
    while (state === 'down') {
      await backoff.wait(ended.signal);
      if (state !== 'down') return;
      try {
        await ask();
      } catch (error) {
        last = connectionError(where, error);
        continue;
      }
      if (state !== 'down') return;
      state = 'up';
      report({ type: 'connected', to: where });
      for (const listener of listeners) listener();
    }
  };

  /** One request that fails proves nothing: an idle socket that the service has closed looks like an outage. */
  const doubt = async (): Promise<void> => {
    try {
      await ask().catch(ask);
    } catch (error) {
      if (state !== 'up') return;
      state = 'down';
      last = connectionError(where, error);
      report({ type: 'disconnected', from: where, error: last });
      void recover();
    } finally {
      doubted = false;
    }
  };

  return {
    async open() {
      const { signal: until, cancel } = limit(timeout);
      const backoff = createBackoff(clock);
      const late = new Promise<never>((_, reject) => {
        until.addEventListener('abort', () => reject(last ?? connectionError(where, noAnswer(timeout))));
      });
      late.catch(() => undefined);
      try {
        for (;;) {
          try {
            await Promise.race([ask(), late]);
            break;
          } catch (error) {
            if (until.aborted) throw last ?? error;
            last = connectionError(where, error);
            if (!last.retryable) throw last;
            await backoff.wait(until);
          }
        }
      } finally {
        cancel();
      }
      if (state !== 'new') throw new ClosedError('the transport is closed');
      state = 'up';
      report({ type: 'connected', to: where });
    },
    get up() {
      return state === 'up';
    },
    onUp(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    failed(error) {
      // An answer is a connection, be it of throttling or of a right that is missing.
      if (state !== 'up' || doubted || (answered(error) && !isCredentials(error))) return;
      doubted = true;
      void doubt();
    },
    health() {
      const name = `SNS and SQS at ${where}`;
      if (state === 'up') return { name, ready: true };
      const reason = state === 'down' ? last!.message : state === 'new' ? 'not connected yet' : 'closed';
      return { name, ready: false, reason };
    },
    close() {
      state = 'closed';
      ended.abort();
      listeners.clear();
    },
  };
}
