import { SNSClient } from '@aws-sdk/client-sns';
import { SQSClient, type SQSClientConfig } from '@aws-sdk/client-sqs';
import type { ResolvedOptions } from './options.js';

/** The SDK's clients, each with sockets of its own: what one of them waits for never holds up another. */
export interface Clients {
  readonly sns: SNSClient;
  /** All of SQS but long polls. */
  readonly sqs: SQSClient;
  /** Long polls alone: each keeps a socket for up to 20 s. */
  readonly polling: SQSClient;
  /** For people who look at dead letters: the SDK tries again by itself. */
  readonly looking: SQSClient;
  /** Ends whatever is under way, and leaves no socket: not even of what was about to be sent. */
  readonly destroy: () => void;
}

type RequestHandler = NonNullable<SQSClientConfig['requestHandler']>;

/** Milliseconds. */
const CONNECT_WITHIN = 5_000;
/** A request's answer, were it the last byte of it. SNS and SQS take some 10 ms; 1 MiB at 1 Mbit/s takes 8 s. */
const ANSWER_WITHIN = 10_000;
/** SQS answers a long poll after 20 s at the latest. */
const POLL_WITHIN = 25_000;

/** The SDK's own number, one pool each for SNS and for SQS. */
const SOCKETS = 50;
/** One for each open poll; dozens of subscriptions must not wait for each other. None is opened that is not needed. */
const POLLING_SOCKETS = 1_000;

/**
 * The SDK would send again by itself, a batch as a whole: also what somebody has given up meanwhile. So whoever asks
 * tries again, and leaves out what nobody waits for.
 */
const ATTEMPTS = 1;

/**
 * `requestTimeout` alone only logs a warning: without `throwOnRequestTimeout` a request whose packets vanish never ends.
 * It runs from when the request is asked for, so that the wait for a socket counts, too.
 * https://github.com/smithy-lang/smithy-typescript/blob/main/packages/types/src/http/httpHandlerInitialization.ts
 */
const handler = (requestTimeout: number, maxSockets: number): RequestHandler => ({
  connectionTimeout: CONNECT_WITHIN,
  requestTimeout,
  throwOnRequestTimeout: true,
  httpAgent: { maxSockets },
  httpsAgent: { maxSockets },
});

/** What was given goes over what is set here; a handler that was made already is taken as it is. */
const over = (own: RequestHandler, given: RequestHandler = {}): RequestHandler =>
  'handle' in given && typeof given.handle === 'function' ? given : { ...own, ...given };

export function createClients(options: Pick<ResolvedOptions, 'sns' | 'sqs'>): Clients {
  const requests = handler(ANSWER_WITHIN, SOCKETS);
  const polls = handler(POLL_WITHIN, POLLING_SOCKETS);
  // Queue URLs name a host of the service's own: what is configured is where to go, be it an emulator or a VPC endpoint.
  const queues = { useQueueUrlAsEndpoint: false, maxAttempts: ATTEMPTS, ...options.sqs };
  const { requestHandler } = queues;
  const sns = new SNSClient({
    maxAttempts: ATTEMPTS,
    ...options.sns,
    requestHandler: over(requests, options.sns.requestHandler),
  });
  const sqs = new SQSClient({ ...queues, requestHandler: over(requests, requestHandler) });
  const polling = new SQSClient({ ...queues, requestHandler: over(polls, requestHandler) });
  const looking = new SQSClient({
    useQueueUrlAsEndpoint: false,
    ...options.sqs,
    requestHandler: over(requests, requestHandler),
  });
  const all = [sns, sqs, polling, looking] as const;
  // A client that was destroyed opens a socket all the same for a request that was still being signed, and keeps it.
  let destroyed = false;
  const onceMore =
    (client: SNSClient | SQSClient) =>
    <Asked, Answer>(next: (asked: Asked) => Promise<Answer>) =>
    (asked: Asked): Promise<Answer> =>
      next(asked).finally(() => {
        if (destroyed) client.destroy();
      });
  sns.middlewareStack.add(onceMore(sns), { step: 'initialize' });
  for (const client of [sqs, polling, looking])
    client.middlewareStack.add(onceMore(client), { step: 'initialize' });
  return {
    sns,
    sqs,
    polling,
    looking,
    destroy() {
      destroyed = true;
      for (const client of all) client.destroy();
    },
  };
}
