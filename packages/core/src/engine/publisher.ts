import { randomUUID } from 'node:crypto';
import {
  ClosedError,
  checkHeaders,
  checkName,
  createTurnoverMap,
  flawOf,
  InvalidMessageError,
  isContract,
  isDuration,
  MessageTooLargeError,
  milliseconds,
  type MessagingError,
  OverloadError,
  PublishTimeoutError,
  systemClock,
  UnsupportedError,
  withinSignal,
  type BrokerPublishOptions,
  type Clock,
  type Destination,
  type Duration,
  type EventContract,
  type Headers,
  type OutgoingMessage,
  type Transport,
} from '../contract/index.js';
import type { Codec } from './codec.js';
import { BROKER_KEYS } from './handler-options.js';
import { currentCause } from './current-message.js';
import { deferred, type Deferred } from './deferred.js';
import type { Observer } from './events.js';
import type { Following } from './instruments.js';
import { createDeadlines, TIME_IS_UP } from './deadlines.js';
import { createRoom, type RoomLimit } from './room.js';
import { validate } from './validation.js';

export interface PublishOptions extends BrokerPublishOptions {
  /** Messages of one key belong together. @default what the contract's `key` answers */
  readonly key?: string;
  /** The application's own headers: text by name. */
  readonly headers?: Headers;
  /** Give the id of an earlier attempt to repeat it: duplicates share it. @default a random UUID */
  readonly messageId?: string;
  /** @default that of the message being handled, else none */
  readonly correlationId?: string;
  /** Delivered no sooner than this, at most 7 days. @default 0 */
  readonly delay?: Duration;
  /** Nobody handles it after this. @default never */
  readonly expiresIn?: Duration;
  /** Gives up waiting: for room, for the broker, for its confirmation (whose outcome is then unknown). */
  readonly signal?: AbortSignal;
}

/** Beyond this a delay belongs in a calendar or a database, where it can be seen and cancelled. */
export const LONGEST_DELAY = milliseconds('7d');

/** Milliseconds since 1970 of the last date that JavaScript has. */
const LAST_DATE = 8.64e15;

const NO_OPTIONS: PublishOptions = {};

const KNOWN = ['key', 'headers', 'messageId', 'correlationId', 'delay', 'expiresIn', 'signal'];

export interface PublisherParts {
  readonly transport: Transport;
  readonly codec: Codec;
  readonly source: string;
  readonly maxBodySize: number;
  readonly limit: RoomLimit;
  /** Milliseconds. */
  readonly timeout: number;
  readonly clock: Clock;
  readonly observe: Observer;
  /** Resolves when the transport is connected and subscribed, rejects when it never will be; absent once it is. */
  readonly starting: () => Promise<void> | undefined;
  /** Whoever traces and measures. */
  readonly following?: Following;
}

/** What a publish waits for, one after the other. */
type Stage = 'schema' | 'room' | 'start' | 'confirmation';

export type Target = string | EventContract<any, any>;

/** What has been published and has not settled. */
export interface PendingPublishes {
  readonly pending: number;
  /** Age of the oldest of them, in milliseconds. */
  readonly oldest?: number;
}

export interface Publisher {
  publish(
    kind: Destination['kind'],
    target: Target,
    payload: unknown,
    options?: PublishOptions,
  ): Promise<void>;
  /** Resolves when nothing is waiting for the broker any more. */
  flush(): Promise<void>;
  pending(): PendingPublishes;
}

function text(name: string, value: unknown): string | undefined {
  if (value === undefined) return undefined;
  if (typeof value !== 'string' || value === '')
    throw new InvalidMessageError(`${name} must be text, and not empty`);
  const flaw = flawOf(value);
  if (flaw) throw new InvalidMessageError(`${name} must be text without ${flaw}`);
  return value;
}

function duration(name: string, value: Duration | undefined): number | undefined {
  if (value === undefined) return undefined;
  if (!isDuration(value))
    throw new InvalidMessageError(`${name} must be milliseconds or text such as '30s', '5m', '2h'`);
  return milliseconds(value);
}

export function createPublisher(parts: PublisherParts): Publisher {
  const { transport, clock, following } = parts;
  const room = createRoom(parts.limit, parts.limit);
  const deadline = createDeadlines(clock, parts.timeout);
  const startDeadline = createDeadlines(systemClock, parts.timeout);
  const largest = Math.min(parts.maxBodySize, transport.capabilities.maxBodySize);
  const longestDelay = Math.min(LONGEST_DELAY, transport.capabilities.maxDelay);
  const known: readonly string[] = [...KNOWN, ...BROKER_KEYS, transport.name];
  /** When each that is under way was published, in milliseconds since 1970, by a number of its own: the oldest first. */
  const underway = createTurnoverMap<number, number>();
  let count = 0;
  /** Whoever waits for none to be under way. */
  let idle: Deferred<void> | undefined;

  function compose(
    kind: Destination['kind'],
    target: Target,
    payload: unknown,
    options: PublishOptions,
  ): OutgoingMessage {
    const contract = isContract(target) ? target : undefined;
    const name = contract?.topic ?? target;
    try {
      checkName(kind, name);
    } catch (cause) {
      throw new InvalidMessageError((cause as Error).message, { cause });
    }
    const surplus = Object.keys(options).find((key) => !known.includes(key));
    if (surplus !== undefined)
      throw new InvalidMessageError(
        `unknown option ${surplus} of publish: valid are ${[...new Set(known)].join(', ')}`,
      );
    const headers = { ...options.headers };
    checkHeaders(headers);
    const delay = duration('delay', options.delay) ?? 0;
    if (delay > longestDelay)
      throw new UnsupportedError(
        `a delay of ${delay} ms is longer than ${transport.name} can wait: at most ${longestDelay} ms`,
      );
    const expiresIn = duration('expiresIn', options.expiresIn);
    if (expiresIn !== undefined && expiresIn <= delay)
      throw new InvalidMessageError(
        `expiresIn (${expiresIn} ms) must be longer than delay (${delay} ms): nobody could handle the message`,
      );
    const now = clock.now();
    if (expiresIn !== undefined && now + expiresIn > LAST_DATE)
      throw new InvalidMessageError(`expiresIn (${expiresIn} ms) is beyond all dates: leave it out`);
    const body = parts.codec.encode(payload);
    if (!ArrayBuffer.isView(body))
      throw new InvalidMessageError(`the codec made ${typeof body}: expected a Uint8Array`);
    if (body.byteLength > largest)
      throw new MessageTooLargeError(
        `the payload for '${name as string}' has ${body.byteLength} bytes: at most ${largest} can be sent; publish a reference to it instead`,
      );
    const cause = currentCause();
    return {
      id: text('messageId', options.messageId) ?? randomUUID(),
      destination: { kind, name: name as string },
      body,
      contentType: parts.codec.contentType,
      headers,
      key: text('key', options.key),
      source: parts.source,
      publishedAt: now,
      dueAt: delay > 0 ? now + delay : undefined,
      correlationId: text('correlationId', options.correlationId) ?? cause?.correlationId,
      causationId: cause?.id,
      expiresAt: expiresIn === undefined ? undefined : now + expiresIn,
      version: contract?.version,
      delay,
      ordered: contract?.ordered ?? false,
      brokerOptions: (options as Record<string, unknown>)[transport.name],
    };
  }

  /** What handlers will see decides, not the caller's object: a `Date` that arrives as text fails here, not there. */
  async function checked(
    message: OutgoingMessage,
    contract: EventContract<any, any>,
  ): Promise<OutgoingMessage> {
    const seen = parts.codec.decode(message.body, message.contentType);
    const output = contract.schema ? await validate(contract.schema, seen, contract.topic) : seen;
    const key = message.key ?? (contract.key ? text('key', contract.key(output)) : undefined);
    if (message.ordered && key === undefined)
      throw new InvalidMessageError(`'${contract.topic}' is ordered and this message has no key`);
    return { ...message, key };
  }

  /** What was still awaited when the time was up. */
  function late(stage: Stage, id: string): MessagingError {
    const within = `within ${parts.timeout} ms`;
    switch (stage) {
      case 'schema':
        return new OverloadError(`the schema did not answer ${within}: nothing was sent`);
      case 'room':
        return new OverloadError(
          `${room.taken} messages are on their way to ${transport.name}, and no room was free ${within}: nothing was sent; publish more slowly, or raise publish.maxPending`,
        );
      case 'start':
        return new ClosedError(
          `the application was not started ${within}: nothing was sent; await app.init() or app.listen() first`,
        );
      case 'confirmation':
        return new PublishTimeoutError(
          `${transport.name} did not confirm ${within}: the outcome is unknown; publish again with the same messageId ('${id}')`,
        );
    }
  }

  async function send(
    composed: OutgoingMessage,
    target: Target,
    payload: unknown,
    callerSignal?: AbortSignal,
  ): Promise<void> {
    const { signal, leave: forget } = deadline(callerSignal);
    const number = ++count;
    underway.set(number, composed.publishedAt!);
    let stage: Stage = 'schema';
    const began = clock.now();
    let leave: (() => void) | undefined;
    try {
      const message = isContract(target) ? await withinSignal(checked(composed, target), signal) : composed;
      const { byteLength } = message.body;
      leave = room.enter(byteLength);
      if (!leave) {
        stage = 'room';
        leave = await room.take(byteLength, signal);
      }
      // What could begin only as the time ends would be sent, and its outcome never known.
      if (clock.now() - began >= parts.timeout * 0.9) throw TIME_IS_UP;
      const starting = parts.starting();
      if (starting) {
        stage = 'start';
        // In the machine's time, whatever clock is given: until the application has started, a test's own stands still.
        const start = startDeadline();
        await withinSignal(withinSignal(starting, signal), start.signal).finally(start.leave);
      }
      signal.throwIfAborted();
      stage = 'confirmation';
      await transport.publish(message, signal);
      parts.observe({ type: 'published', message, payload });
    } catch (thrown) {
      const error = thrown === TIME_IS_UP ? late(stage, composed.id) : thrown;
      if (error instanceof OverloadError)
        parts.observe({ type: 'overload', destination: composed.destination, error });
      throw error;
    } finally {
      leave?.();
      forget();
      underway.delete(number);
      if (underway.size === 0) {
        idle?.resolve();
        idle = undefined;
      }
    }
  }

  return {
    publish(kind, target, payload, options = NO_OPTIONS) {
      let composed: OutgoingMessage;
      try {
        composed = compose(kind, target, payload, options);
      } catch (error) {
        return Promise.reject(error as Error);
      }
      return following
        ? following.publish(composed, (message) => send(message, target, payload, options.signal))
        : send(composed, target, payload, options.signal);
    },
    async flush() {
      if (underway.size === 0) return;
      idle ??= deferred();
      await idle.promise;
    },
    pending() {
      const [oldest] = underway.values();
      return {
        pending: underway.size,
        ...(oldest !== undefined && { oldest: Math.max(0, clock.now() - oldest) }),
      };
    },
  };
}
