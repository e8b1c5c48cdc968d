import { AsyncLocalStorage } from 'node:async_hooks';
import { MessageContext } from './message-context.js';

/** What is known of why a message is published. */
export interface Cause {
  /** The message whose handling published it. */
  readonly id?: string;
  /** The conversation that it belongs to. */
  readonly correlationId?: string;
}

const storage = new AsyncLocalStorage<Cause>();

/** Why the code that asks runs, where it runs in a handler. */
export function currentCause(): Cause | undefined {
  return storage.getStore();
}

/** The message being handled by the code that asks, if it is one. */
export function currentMessage(): MessageContext | undefined {
  const cause = storage.getStore();
  return cause instanceof MessageContext ? cause : undefined;
}

/** What is published while a batch is handled has one message as its cause only where there is one. */
export function causeOf(messages: readonly MessageContext[]): Cause {
  const first = messages[0]!;
  if (messages.length === 1) return first;
  const shared = messages.every(({ correlationId }) => correlationId === first.correlationId);
  return { correlationId: shared ? first.correlationId : undefined };
}

/** Runs a handler so that what it publishes knows its cause. */
export function whileHandling<T>(cause: Cause, run: () => T): T {
  return storage.run(cause, run);
}
