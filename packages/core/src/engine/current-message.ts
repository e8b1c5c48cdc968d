import { AsyncLocalStorage } from 'node:async_hooks';
import type { MessageContext } from './message-context.js';

const storage = new AsyncLocalStorage<MessageContext>();

/** The message being handled by the code that asks, if any. */
export function currentMessage(): MessageContext | undefined {
  return storage.getStore();
}

/** Runs a handler so that what it publishes knows its cause. */
export function whileHandling<T>(context: MessageContext, run: () => T): T {
  return storage.run(context, run);
}
