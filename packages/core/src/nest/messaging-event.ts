import type { Destination, Message, Settlement } from '../contract/index.js';
import { failureOf, type EngineEvent, type Handling } from '../engine/index.js';

/** An error as plain text in one line: no stack, and nothing that refers to objects of the application. */
export interface ErrorText {
  /** The error's class name. */
  readonly name: string;
  readonly message: string;
  /** The error's `code`, where it has one. */
  readonly code?: string;
}

/** What every event has. */
interface OfConnection {
  /** The connection's name; `default` is the module's own broker. */
  readonly connection: string;
}

interface OfSubscription extends OfConnection {
  /** In words, such as `topic 'order.placed' of group 'billing'`. */
  readonly subscription: string;
}

/** A message, by what names it. */
export interface MessageFacts extends OfConnection {
  readonly id: string;
  /** `queue` where it was enqueued. */
  readonly kind: Destination['kind'];
  /** The topic it was published under, or its queue. */
  readonly topic: string;
  readonly correlationId?: string;
  /** `id` of the message whose handling published this one. */
  readonly causationId?: string;
}

/** A message at one of its attempts. */
export interface AttemptFacts extends MessageFacts {
  readonly group: string;
  /** The topic, pattern or queue as the handler names it. */
  readonly source: string;
  /** Failures of the handler so far + 1. */
  readonly attempt: number;
}

/** An attempt that failed. */
export interface FailureFacts extends AttemptFacts {
  readonly error: ErrorText;
  /** Milliseconds that the handler ran; left out where none did. */
  readonly duration?: number;
}

/** What a program can listen for, by its name. */
export interface MessagingEventMap {
  /** The broker can be reached, at first or again. */
  connected: OfConnection & { readonly to: string };
  /** The broker cannot be reached any more; the module tries again by itself. */
  disconnected: OfConnection & { readonly from: string; readonly error?: ErrorText };
  /** The broker takes no messages for now: publishes wait. */
  blocked: OfConnection & { readonly reason: string };
  unblocked: OfConnection;
  /** Too much waited to be published: one message was refused, and its publisher has the error. */
  overload: OfConnection & {
    readonly kind: Destination['kind'];
    readonly topic: string;
    readonly error: ErrorText;
  };
  /** Messages that will never be handed over; `reason` says which and why. Without `subscription` they waited with a delay. */
  gap: OfConnection & { readonly subscription?: string; readonly reason: string };
  /** Something else that an operator should know. */
  warning: OfConnection & { readonly reason: string; readonly error?: ErrorText };
  /** The broker has the message. */
  published: MessageFacts;
  /** `duration` in milliseconds. */
  handled: AttemptFacts & { readonly duration: number };
  /** `delay` in milliseconds. */
  retried: FailureFacts & { readonly delay: number };
  'dead-lettered': FailureFacts;
  /** Thrown away on purpose: `Discard`, `deadLetter: false`, or the last failure of a broadcast. */
  discarded: FailureFacts;
  /** Nobody wanted it any more when it came. */
  expired: AttemptFacts;
  /** Returned to the broker, such as at shutdown; with `error` where its handler failed while its circuit was open. */
  released: AttemptFacts & Partial<Pick<FailureFacts, 'error' | 'duration'>>;
  /** It stays with the broker, and comes again. */
  'settlement-failed': OfSubscription &
    Pick<AttemptFacts, 'id' | 'kind' | 'topic' | 'group' | 'attempt'> & {
      readonly settlement: Settlement['type'];
      readonly error: ErrorText;
    };
  /** It takes nothing more in this process, or goes on: an operator or its circuit wanted it so. */
  paused: OfSubscription;
  resumed: OfSubscription;
  /** An operator changed how much is handled at a time in this process. */
  resized: OfSubscription & { readonly concurrency: number };
  /** The circuit that it depends on, in this process. */
  'circuit-opened': OfSubscription;
  'circuit-closed': OfSubscription;
  /** The group was set back; milliseconds since 1970. */
  replayed: OfSubscription & { readonly from: 'beginning' | number };
}

export type MessagingEventType = keyof MessagingEventMap;

type OfEngine<Type> = Extract<EngineEvent, { readonly type: Type }>;

/** Makes of what the engine tells what programs are told: no object of its own, no body, no header, no key. */
export const TOLD: {
  readonly [Type in MessagingEventType]: (
    connection: string,
    event: OfEngine<Type>,
  ) => MessagingEventMap[Type];
} = {
  connected: (connection, { to }) => ({ connection, to }),
  disconnected: (connection, { from, error }) => ({ connection, from, ...reasonOf(error) }),
  blocked: (connection, { reason }) => ({ connection, reason }),
  unblocked: (connection) => ({ connection }),
  overload: (connection, { destination: { kind, name }, error }) => ({
    connection,
    kind,
    topic: name,
    error: textOf(error),
  }),
  gap: (connection, { subscription, message }) => ({ connection, subscription, reason: message }),
  warning: (connection, { message, error }) => ({ connection, reason: message, ...reasonOf(error) }),
  published: (connection, { message }) => factsOf(connection, message),
  handled: (connection, event) => ({ ...factsOfAttempt(connection, event), duration: event.duration }),
  retried: (connection, event) => ({ ...factsOfFailure(connection, event), delay: event.delay }),
  'dead-lettered': factsOfFailure,
  discarded: factsOfFailure,
  expired: factsOfAttempt,
  released: (connection, event) => ({
    ...factsOfAttempt(connection, event),
    ...reasonOf(event.error),
    duration: event.duration,
  }),
  'settlement-failed': (
    connection,
    { subscription, group, messageId, destination: { kind, name }, attempt, settlement, error },
  ) => ({
    connection,
    subscription,
    group,
    id: messageId,
    kind,
    topic: name,
    attempt,
    settlement,
    error: textOf(error),
  }),
  paused: (connection, { subscription }) => ({ connection, subscription }),
  resumed: (connection, { subscription }) => ({ connection, subscription }),
  resized: (connection, { subscription, concurrency }) => ({ connection, subscription, concurrency }),
  'circuit-opened': (connection, { subscription }) => ({ connection, subscription }),
  'circuit-closed': (connection, { subscription }) => ({ connection, subscription }),
  replayed: (connection, { subscription, from }) => ({ connection, subscription, from }),
};

function textOf(error: unknown): ErrorText {
  const { name, message, code } = failureOf(error, 0);
  return { name, message, ...(code !== undefined && { code }) };
}

function reasonOf(error: unknown): { readonly error?: ErrorText } {
  return error === undefined ? {} : { error: textOf(error) };
}

function factsOf(connection: string, message: Message): MessageFacts {
  const { id, destination, correlationId, causationId } = message;
  return { connection, id, kind: destination.kind, topic: destination.name, correlationId, causationId };
}

function factsOfAttempt(connection: string, { message, group, source, attempt }: Handling): AttemptFacts {
  return { ...factsOf(connection, message), group, source, attempt };
}

function factsOfFailure(
  connection: string,
  event: OfEngine<'retried' | 'dead-lettered' | 'discarded'>,
): FailureFacts {
  return { ...factsOfAttempt(connection, event), error: textOf(event.error), duration: event.duration };
}
